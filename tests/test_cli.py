"""The command line as a user meets it: what works, and one clear line and exit code 2 for what does not."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from spacewise import runs
from spacewise.learn.supervised_training import SupervisedTraining

pytestmark = pytest.mark.usefixtures("no_png")

Command = Callable[..., tuple[int, str, str]]
TRAIN = ("--set", "net.padding=same", "--size", "24", "--epochs", "1", "--set", "batch=8", "--set", "precision=float32")


@pytest.fixture
def chips(tmp_path: Path) -> Path:
    """Two classes of twelve chips."""
    return make_chips(tmp_path / "chips")


def make_chips(root: Path, classes: tuple[str, ...] = ("barn", "mill"), number: int = 12) -> Path:
    generator = np.random.default_rng(0)
    for kind, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(number):
            pixels = generator.integers(0, 120, (24, 24)) + 100 * kind
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index:02}.png")
    return root


def refused(result: tuple[int, str, str], *words: str) -> None:
    """Exit code 2 and one line that holds the words."""
    code, _, error = result
    lines = [line for line in error.splitlines() if line.startswith("spacewise: ")]
    assert code == 2, error
    assert len(lines) == 1, error
    assert "Traceback" not in error
    for word in words:
        assert word in lines[0], lines[0]


def train(spacewise: Command, data: object, out: Path, *more: object, loss: str = "crossentropy@classifier"):
    return spacewise("train", "--data", data, "--loss", loss, "--out", out, *TRAIN, *more)


def test_train_audit_compare(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    for name, loss in (("one", "crossentropy@classifier"), ("two", "0.1*center@feature")):
        more = () if name == "one" else ("--loss", "crossentropy@classifier")
        code, out, error = train(spacewise, chips, tmp_path / name, *more, "--json", loss=loss)
        assert code == 0, error
        assert json.loads(out)["status"] == "finished"
    code, out, _ = spacewise("audit", tmp_path / "one", "--json")
    assert code == 0
    assert Path(json.loads(out)["report"]).is_file()
    code, _, error = spacewise("audit", tmp_path / "one", "--data", make_chips(tmp_path / "other", ("mill", "silo")))
    assert code == 0, error
    assert (tmp_path / "one" / "audit-other" / "rejection.parquet").is_file()  # silo was never trained on
    code, out, error = spacewise("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "both", "--json")
    assert code == 0, error
    assert Path(json.loads(out)["report"]).is_file()


SHORT = (  # settings of a transfer
    "steps=1", "batch=4", "target_batch=4", "unlabelled_batch=4", "precision=float32",
    "pretraining.epochs=1", "pretraining.batch=8", "pretraining.precision=float32",
)  # fmt: skip


def test_train_across_two_domains(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    """Without validation samples; and the target's images are the source's, moved on by one: that leaks."""
    radar = tmp_path / "radar"
    for picture in chips.glob("*/*.png"):
        moved = radar / picture.parent.name / f"{(int(picture.stem) + 1) % 12:02}.png"
        moved.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, moved)
    data = ("--data", chips, "--target", radar, "--labels", "6", "--size", "24", "--epochs", "1")
    changes = [word for change in SHORT for word in ("--set", change)]
    loss = ("--loss", "crossentropy@classifier")
    code, _, error = spacewise("train", *data, *loss, "--out", tmp_path / "run", *changes)
    assert code == 0, error
    said = "".join(error.split())  # long lines are broken anywhere
    assert f"run:{tmp_path / 'run'}(1epochs,thelastoneiskept," in said
    assert "leak:" in said
    assert "ofthesourceandtestofthetargetshare" in said
    assert f"next:spacewiseaudit{tmp_path / 'run'}" in said
    run = runs.open_run(tmp_path / "run")
    assert (len(run.split.train), run.origin.source.root) == (6, chips)


def test_labels_are_those_of_a_target(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    words = ("--labels 32 is the budget of a target", "give --target", "or --method")
    refused(train(spacewise, chips, tmp_path / "run", "--labels", "32"), *words)
    assert not (tmp_path / "run").exists()


def test_a_domain_is_not_its_own_target(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    refused(train(spacewise, chips, tmp_path / "run", "--target", chips), "--data and --target name the same images")
    assert not (tmp_path / "run").exists()


def test_explain(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        seed = ["--seed", 1] if name == "two" else []
        assert train(spacewise, chips, tmp_path / name, *seed)[0] == 0
    few = ("--images", 3, "--steps", 4, "--out", tmp_path / "views")
    code, out, error = spacewise("explain", tmp_path / "one", tmp_path / "two", *few, "--json")
    assert code == 0, error
    found = json.loads(out)
    assert Path(found["report"]).is_file()
    figures = {row["figure"]: row for row in found["table"]}
    assert figures["overall"]["runs"] == 2  # they differ in the seed alone: one method
    assert {"silhouette", "insertion:accuracy", "deletion:probability:random"} <= set(figures)
    code, out, shown = spacewise("explain", tmp_path / "one", tmp_path / "two", *few)
    assert code == 0
    assert "silhouette" in out + shown


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "gradcan"], ["gradcan", "gradcam"]),
        (["--space", "blok5"], ["blok5", "block5"]),
        (["--space", "feature"], ["feature", "block4"]),
        (["--images", 0], ["images must be 1 or more"]),
        (["--steps", 1], ["steps"]),
        (["--masks", "nowhere"], ["nowhere is no folder"]),
        (["--weights", "first"], ["first", "best"]),
    ],
)
def test_explain_refuses(spacewise: Command, chips: Path, tmp_path: Path, more: list[object], words: list[str]) -> None:
    train(spacewise, chips, tmp_path / "one")
    refused(spacewise("explain", tmp_path / "one", "--out", tmp_path / "views", *more), *words)
    assert not (tmp_path / "views").exists()
    assert not (tmp_path / "one" / "explanation").exists()
    refused(spacewise("explain", tmp_path / "two", "--out", tmp_path / "views"), "two")
    refused(spacewise("explain", tmp_path / "one", tmp_path / "one"), "twice")


def test_the_same_experiment_from_flags_and_from_yaml(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    assert train(spacewise, chips, tmp_path / "flags")[0] == 0
    code, _, error = spacewise("train", tmp_path / "flags" / "experiment.yaml", "--out", tmp_path / "yaml")
    assert code == 0, error
    one, other = ((tmp_path / name / "weights" / "last.safetensors").read_bytes() for name in ("flags", "yaml"))
    assert one == other
    code, _, _ = spacewise(
        "train", tmp_path / "flags" / "experiment.yaml", "--set", "epochs=2", "--out", tmp_path / "longer"
    )
    assert code == 0
    assert runs.read_experiment(tmp_path / "longer").regime.epochs == 2


def test_interrupted_and_resumed(
    spacewise: Command, chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, steps = SupervisedTraining.step, []

    def interrupted(self: SupervisedTraining, *batch: object) -> None:
        plain(self, *batch)
        steps.append(1)
        if len(steps) == 2:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SupervisedTraining, "step", interrupted)
    code, _, error = train(spacewise, chips, tmp_path / "run", "--set", "epochs=3")
    assert (code, "saved" in error) == (130, True)
    refused(train(spacewise, chips, tmp_path / "run"), "unfinished", "--resume")
    code, _, error = spacewise("train", "--resume", tmp_path / "run")
    assert code == 0, error
    refused(train(spacewise, chips, tmp_path / "run"), "finished run")


def test_reproduce_lists_what_there_is(spacewise: Command) -> None:
    code, out, _ = spacewise("reproduce", "--json")
    assert code == 0
    assert "dual-loss.table2" in [recipe["name"] for recipe in json.loads(out)["recipes"]]


@pytest.mark.parametrize("more", [(), ("source=chips",), ("target=chips",)])
def test_reproduce_names_the_folder_that_is_missing(
    spacewise: Command, chips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [word for option in more for word in ("--data", option)]
    missing = "target" if more == ("source=chips",) else "source"
    words = (f"eo-sar.transfer needs --data {missing}=DIR", f"the folder of the {missing}")
    refused(spacewise("reproduce", "eo-sar.transfer", *given, "--out", "made"), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["chips"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("--loss", "crossentrop@classifier"), ("unknown loss 'crossentrop'", "did you mean 'crossentropy'?")),
        (("--loss", "center@clasifier"), ("unknown space 'clasifier'", "did you mean 'classifier'?", "block1")),
        (("--loss", "contrastive(margn=1)@feature"), ("unknown option of loss contrastive 'margn'", "margin")),
        (("--loss", "contrastive(dissimilar_margin=-1)@feature"), ("dissimilar_margin must be zero or more, not -1",)),
        (("--loss", "-1*contrastive@feature"), ("the weight must be a number, zero or more",)),
        (("--loss", "contrastive feature"), ("is not of the form weight*loss(option=value)@space",)),
        (("--net", "aconvnett"), ("unknown net 'aconvnett'", "did you mean 'aconvnet'?")),
        (("--set", "epoch=3"), ("unknown key 'epoch'", "did you mean 'epochs'?")),
        (("--set", "net.poolin=max"), ("unknown option of net aconvnet 'poolin'", "did you mean 'pooling'?")),
        (("--set", "batch=0"), ("regime.batch", "greater than or equal to 2")),
        (("--set", "schedule=twocycle"), ("regime.schedule", "onecycle")),
        (("--split", "stratifid"), ("unknown split 'stratifid'", "did you mean 'stratified'?")),
        (("--split", "mstar-seen-unseen"), ("unknown fact", "'serial'", "chips")),
        (("--source", "mstr"), ("unknown source 'mstr'", "did you mean 'mstar'?")),
        (("--set", "shift=24"), ("shift must be 0 to 23 pixels",)),
    ],
)
def test_wrong_names_and_values(
    spacewise: Command, chips: Path, tmp_path: Path, changes: tuple[str, str], words: tuple[str, ...]
) -> None:
    refused(train(spacewise, chips, tmp_path / "run", *changes), *words)
    assert not (tmp_path / "run").exists()


def test_missing_folder(spacewise: Command, tmp_path: Path) -> None:
    for command in (("check",), ("train", "--loss", "crossentropy@classifier", "--out", tmp_path / "run", "--data")):
        refused(spacewise(*command, tmp_path / "nowhere"), str(tmp_path / "nowhere"))
    refused(spacewise("audit", tmp_path / "nowhere"), "is no run")
    refused(spacewise("reproduce", "dual-loss.table2", "--out", tmp_path), "--data mstar=DIR")
    refused(spacewise("reproduce", "dual-loss.tabel2"), "did you mean 'dual-loss.table2'?")


def test_empty_class(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    (chips / "empty").mkdir()
    refused(train(spacewise, chips, tmp_path / "run"), "empty")


def test_one_class(spacewise: Command, tmp_path: Path) -> None:
    refused(
        train(spacewise, make_chips(tmp_path / "chips", ("barn",)), tmp_path / "run"), "two classes or more", "barn"
    )


def test_truncated_image(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    whole = (chips / "barn" / "03.png").read_bytes()
    (chips / "barn" / "03.png").write_bytes(whole[: len(whole) // 2])
    refused(train(spacewise, chips, tmp_path / "run"), "03.png")
    assert not (tmp_path / "run").exists()


def test_mixed_bands(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    Image.new("RGB", (24, 24)).save(chips / "mill" / "05.png")
    refused(train(spacewise, chips, tmp_path / "run"), "mill/05.png has 3 bands")


def test_mixed_sizes_are_brought_to_one(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    Image.new("L", (31, 17)).save(chips / "mill" / "05.png")
    assert train(spacewise, chips, tmp_path / "run")[0] == 0


def test_nan_pixels(spacewise: Command, tmp_path: Path) -> None:
    for name in ("barn", "mill"):
        (tmp_path / "chips" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.full((24, 24), np.nan if (name, number) == ("mill", 4) else 1.0, np.float32)
            tifffile.imwrite(tmp_path / "chips" / name / f"{number}.tif", pixels)
    refused(train(spacewise, tmp_path / "chips", tmp_path / "run"), "4.tif", "576")


def test_wrong_dtype(spacewise: Command, tmp_path: Path) -> None:
    for name in ("barn", "mill"):
        (tmp_path / "chips" / name).mkdir(parents=True)
        for number in range(6):
            np.save(tmp_path / "chips" / name / f"{number}.npy", np.ones((24, 24), np.complex64))
    refused(train(spacewise, tmp_path / "chips", tmp_path / "run"), ".npy", "complex")


def test_a_batch_without_a_positive_pair_trains(spacewise: Command, tmp_path: Path) -> None:
    chips = make_chips(tmp_path / "chips", tuple("abcdef"), number=6)
    more = ("--set", "batch=2", "--loss", "contrastive@classifier")
    assert train(spacewise, chips, tmp_path / "run", *more)[0] == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_full(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    assert train(spacewise, chips, tmp_path / "first")[0] == 0  # fills the cache
    with files_of_at_most(200_000):
        refused(train(spacewise, chips, tmp_path / "run"), "cannot write", "run")
    assert not [path for path in (tmp_path / "run").rglob("*") if path.name.endswith(".partial")]
    assert runs.status(tmp_path / "run") == "training"
    code, _, error = spacewise("train", "--resume", tmp_path / "run")
    assert code == 0, error


def test_disk_full_while_decoding(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    with files_of_at_most(4_000):
        refused(train(spacewise, chips, tmp_path / "run"), "cannot write the cache")
    assert not (tmp_path / "run").exists()


def test_unwritable_output(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refused(train(spacewise, chips, tmp_path / "file" / "run"), "file")
    refused(train(spacewise, chips, Path("/proc/run")), "/proc/run")


def test_a_folder_that_is_no_run(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    refused(train(spacewise, chips, chips), "already exists and is no run")
    assert len(list(chips.rglob("*.png"))) == 24
    refused(spacewise("audit", chips), "holds no experiment.yaml")


def test_data_that_have_changed(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    assert train(spacewise, chips, tmp_path / "run")[0] == 0
    (chips / "barn" / "00.png").unlink()
    refused(spacewise("audit", tmp_path / "run"), "data have changed")


def test_damaged_weights(spacewise: Command, chips: Path, tmp_path: Path) -> None:
    assert train(spacewise, chips, tmp_path / "run")[0] == 0
    (tmp_path / "run" / "weights" / "best.safetensors").write_bytes(b"not weights")
    refused(spacewise("audit", tmp_path / "run"), "best.safetensors")


def test_help_names_all_weights_of_a_run(spacewise: Command) -> None:
    for command in ("audit", "explain"):
        words = spacewise(command, "--help")[1].replace("│", " ").split()
        assert {"best", "last,", "averaged", "epoch5."} <= set(words) | {word.replace(";", ".") for word in words}


def test_help_has_examples(spacewise: Command) -> None:
    for command in ("demo", "train", "audit", "compare", "reproduce", "check"):
        code, out, _ = spacewise(command, "--help")
        assert code == 0
        assert "Example" in out
