"""What a training with few labels refuses, in one line, before anything is written; and what it passes over."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.learn.few_labels import (
    COMATCH,
    ENTROPY,
    built,
    described_in_yaml,
    few,
    in_table,
    trained,
    write_pictures,
)
from tests.learn.two_domains import CLASSES, tiny

from spacewise import nets, runs, splits
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import start
from spacewise.nets.projected import Projected
from spacewise.sources import Source
from spacewise.splits import Split

Refused = Callable[..., str]
FIXMATCH = (ENTROPY, "consistency(hard=True)@classifier")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def refused(root: Path, tmp_path: Path) -> Refused:
    """What a training says that is not to begin."""

    def complaint(*terms: str, **options: Any) -> str:
        out = tmp_path / "out"
        with pytest.raises(InputError) as caught:
            trained(root, out / "run", *terms, **options)
        assert not out.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return complaint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "threshold: input should be less than or equal to 1, not 1.5"),
        ({"threshold": float("nan")}, "threshold: input should be"),
        ({"mu": -1}, "mu: input should be greater than or equal to 0, not -1"),
        ({"average": 1.0}, "average: input should be less than 1, not 1.0"),
        ({"temperature": 0}, "temperature: input should be greater than 0, not 0"),
        ({"confidence": 2}, "confidence: input should be less than or equal to 1, not 2"),
        ({"steps": 0}, "steps: input should be greater than or equal to 1, not 0"),
        ({"choose": "train"}, "choose: input should be 'validation' or 'test', not 'train'"),
        ({"statistics": "none"}, "statistics: input should be 'estimated' or 'copied', not 'none'"),
        ({"augmentation": "optic"}, "augmentation: input should be 'optical', 'bands' or 'radar', not 'optic'"),
        ({"memry": 5}, "unknown key 'memry': did you mean 'memory'?"),
        ({"keep": [3]}, "keep names epoch 3, the training has epochs 0 (its start) to 2"),
        ({"mu": 7}, "mu=7 with batch=4 takes 28 images without their labels a step, and there are 27: take mu=6 or"),
        ({"batch": 28, "mu": 1}, "mu=1 with batch=28 takes 28 images without their labels a step, and there are 27: "
         "take a batch of 27 or less"),
    ],
)  # fmt: skip
def test_settings(refused: Refused, options: dict[str, Any], message: str) -> None:
    assert message in refused(**options)


def test_the_largest_mu_that_is_named_fits(root: Path, tmp_path: Path) -> None:
    assert trained(root, tmp_path / "run", mu=6, epochs=1, steps=1).log["total"].notna().all()


@pytest.mark.parametrize(
    ("terms", "options", "message"),
    [
        ((ENTROPY,), {}, "mu=3 takes unlabelled images, and no term looks at them: add one, or take mu=0"),
        (COMATCH, {"mu": 0}, "'consistency@classifier' needs views of unlabelled images: the regime semi-supervised"),
        ((ENTROPY, "center@feature of unlabelled"), {"mu": 0}, "'center@feature of unlabelled' needs views of unlab"),
        (COMATCH[1:], {}, "no term looks at the labelled images: add crossentropy@classifier"),
        ((ENTROPY, "consistency@embedding"), {}, "consistency compares logits with pseudo-labels of 3 classes, not a"),
        ((ENTROPY, "graph_contrast@embeding"), {}, "unknown space 'embeding': did you mean 'embedding'?"),
        ((ENTROPY, "graph_contrats@embedding"), {}, "unknown loss 'graph_contrats': did you mean 'graph_contrast'?"),
        ((ENTROPY, "coral@embedding"), {}, "'coral@embedding' compares two domains: give a target"),
        ((ENTROPY, "center@feature of unlabeled"), {}, "unknown samples of a term 'unlabeled': did you mean 'unlabe"),
        ((ENTROPY, "contrastive(pairs='siamese')@embedding of unlabelled"), {"confidence": 0.5},
         "contrastive(pairs='siamese') needs an even batch, not 11 samples"),
        ((ENTROPY, "contrastive(pairs='siamese')@embedding of unlabelled"), {"batch": 3, "mu": 1},
         "contrastive(pairs='siamese') needs an even batch, not 3 samples"),
        (COMATCH, {"shift": 2}, "shift=2: the views are those of the augmentation; leave it out"),
        (COMATCH, {"confidence": 0.5}, "confidence=0.5 is for terms 'of unlabelled', and there is none"),
        (COMATCH, {"average": 0, "statistics": "copied"}, "statistics=copied is of the averaged network, and"),
        (FIXMATCH, {"memory": 0, "normalise": False}, "normalise=False is of the second strong view, and no term"),
    ],
)  # fmt: skip
def test_terms(refused: Refused, terms: tuple[str, ...], options: dict[str, Any], message: str) -> None:
    assert message in refused(*terms, **options)


def test_a_loss_is_asked_about_the_batch_that_it_sees(root: Path, tmp_path: Path) -> None:
    """Three labelled images and six others: pairs of the others are even."""
    terms = (ENTROPY, "contrastive(pairs='siamese')@embedding of unlabelled")
    run = trained(root, tmp_path / "run", *terms, batch=3, mu=2, epochs=1, steps=1)
    assert np.isfinite(run.log["total"]).all()


# Networks and data


def test_a_memory_without_an_embedding(refused: Refused, root: Path, tmp_path: Path) -> None:
    said = refused(*FIXMATCH, net=tiny(3, 3, 16), memory=5)
    assert said == (
        "memory=5 remembers vectors of the space 'embedding', which the network does not have: "
        "take the net projected, or memory=0"
    )
    for name, terms, options in (("fixmatch", FIXMATCH, {"memory": 0}), ("labels", (ENTROPY,), {"mu": 0})):
        assert trained(root, tmp_path / name, *terms, net=tiny(3, 3, 16), **options).facts["status"] == "finished"


def test_a_network_that_guesses_no_classes(refused: Refused) -> None:
    net = nets.wrap(torch.nn.Sequential(torch.nn.Flatten()), {"embedding": "0"}, 3, 16)
    assert refused(net=net) == "the semi-supervised regime guesses classes: the network needs a space 'classifier'"


def test_a_class_without_a_label(refused: Refused, root: Path) -> None:
    split = few(root, labels=2)
    missing = (set(split.classes) - set(split.train.facts["label"])).pop()
    said = refused(split=split)
    assert said == f"class '{missing}' has no labelled image: give every class one, as labels=4/class"


def test_no_unlabelled_image(refused: Refused, root: Path) -> None:
    said = refused(split=few(root, labels="all"))
    assert said == "mu=3 takes unlabelled images, and there are none: lower labels, or take mu=0"


def of_bands(bands: int, dtype: type) -> Split:
    """48 images that no file holds."""
    labels = [name for name in CLASSES for _ in range(16)]
    pixels = np.random.default_rng(0).integers(0, 255, (48, bands, 16, 16)).astype(dtype)
    facts = pd.DataFrame({"id": [str(row) for row in range(48)], "label": labels})
    source = Source("made", facts, lambda row: pixels[row])
    return splits.few_label(source, labels="2/class", within={"name": "stratified", "test": 0.25})


def with_bands(bands: int) -> Projected:
    return nets.projected(len(CLASSES), bands, 16, encoder="tiny", hidden=8, dimension=5)


@pytest.mark.parametrize(
    ("bands", "dtype", "options", "message"),
    [
        (2, np.uint8, {}, "augmentation=optical takes 3 bands of uint8, not 2 of uint8; use augmentation=bands"),
        (3, np.float32, {}, "augmentation=optical takes 3 bands of uint8, not 3 of float32; use augmentation=bands"),
        (2, np.float32, {"augmentation": "bands", "normalise": False},
         "normalise=False hands one view over as pixels from 0 to 1: it needs pictures of 8 bits"),
    ],
)  # fmt: skip
def test_images_that_the_views_cannot_be_made_of(
    refused: Refused, bands: int, dtype: type, options: dict[str, Any], message: str
) -> None:
    assert message in refused(split=of_bands(bands, dtype), net=with_bands(bands), **options)


def test_what_they_can_be_made_of_trains(root: Path, tmp_path: Path) -> None:
    for number, augmentation in enumerate(("bands", "radar")):
        for bands, dtype in ((2, np.uint8), (1, np.float32)):
            split, net = of_bands(bands, dtype), with_bands(bands)
            out = tmp_path / f"{number}{bands}"
            run = trained(root, out, split=split, net=net, augmentation=augmentation, epochs=1, steps=1)
            assert np.isfinite(run.log["total"]).all()


def test_a_network_of_other_bands_or_fewer_classes(refused: Refused) -> None:
    assert "the images have 3 bands, the network takes 2; build it with bands=3" in refused(net=with_bands(2))
    with torch.random.fork_rng():
        net = nets.projected(2, 3, 16, encoder="tiny", hidden=8, dimension=5)
    assert "the split has 3 classes, the network tells 2 apart" in refused(ENTROPY, net=net, mu=0)


def test_a_folder_that_is_there(root: Path, tmp_path: Path) -> None:
    run = trained(root, tmp_path / "run", epochs=1, steps=1)
    with pytest.raises(InputError, match="already holds a finished run; give another --out"):
        trained(root, run.folder, epochs=1, steps=1)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="already exists and is no run; give another --out"):
        trained(root, tmp_path / "other")
    assert not any((tmp_path / "other").iterdir())


def test_an_experiment_is_refused_alike(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mu=7 with batch=4 takes 28 images"):
        start(Experiment(**described_in_yaml(root, mu=7)), tmp_path / "run")
    with pytest.raises(InputError, match="a pretraining is for a transfer"):
        start(Experiment(**described_in_yaml(root)), tmp_path / "run", pretrained=tmp_path)
    assert not (tmp_path / "run").exists()


# Files that cannot be read


def test_unlabelled_files_that_cannot_be_read_are_skipped_and_named(tmp_path: Path) -> None:
    """As if they were not there, but for the record."""
    root = write_pictures(tmp_path / "pictures", unlabelled=12)
    for name in ("3.png", "7.png"):
        (root / "unlabelled" / name).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    run = trained(root, tmp_path / "run", epochs=1, keep=[0])
    facts = runs.read_facts(run.folder)
    assert facts["skipped"] == (
        "2 of 12 unlabelled images cannot be read and are skipped: unlabelled/3.png, unlabelled/7.png"
    )
    assert "skipped" not in trained(write_pictures(tmp_path / "whole"), tmp_path / "all", epochs=1).facts
    learnt = [*run.split.train.rows, *run.split.unlabelled.rows]
    ids = run.split.source.facts["id"]
    readable = [row for row in learnt if ids[row] not in ("unlabelled/3.png", "unlabelled/7.png")]
    assert (len(learnt), len(readable)) == (39, 37)
    pixels = torch.stack([torch.from_numpy(run.split.source.read(row)) for row in readable]).float()
    torch.testing.assert_close(run.net.preprocess.mean, pixels.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-3)
    resumed = trained(root, tmp_path / "run", epochs=1, keep=[0], resume=True)
    assert resumed.facts["skipped"] == facts["skipped"]


def test_copies_of_test_images_are_skipped(tmp_path: Path) -> None:
    """Unless the split is transductive, which says that they are learnt from."""
    root = write_pictures(tmp_path / "pictures", unlabelled=12)
    split = few(root)
    tested = split.test.facts["id"].iloc[0]
    shutil.copy(root / tested, root / "unlabelled" / f"3{Path(tested).suffix}")
    run = trained(root, tmp_path / "run", epochs=1, split=few(root), net=built())
    assert run.facts["skipped"] == "1 unlabelled image is the same as a test or validation image and is skipped"
    assert run.facts["unused"] == 1
    assert not [leak for leak in run.facts["leaks"] if "unlabelled" in leak]
    whole = trained(root, tmp_path / "whole", epochs=1, split=few(root, transductive=True), net=built())
    assert "skipped" not in whole.facts
    assert whole.facts["transductive"]


def test_a_wait_for_a_figure_that_never_comes(refused: Refused) -> None:
    said = refused(split=of_bands(3, np.uint8), net=with_bands(3), patience=2)
    assert said == "patience=2 waits for a better validation figure: hold images out"


def test_test_images_for_a_step_that_takes_none(refused: Refused, root: Path) -> None:
    said = refused(ENTROPY, mu=0, split=few(root, transductive=True))
    assert said == "the split is transductive, and mu=0 takes no image without its label: take transductive=False"


def test_images_that_are_left_must_be_enough(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", unlabelled=6)
    for path in (root / "unlabelled").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(InputError, match="takes 32 images without their labels a step, and there are 27: take mu=6"):
        trained(root, tmp_path / "run", mu=8)
    with pytest.raises(InputError, match="mu=3 takes unlabelled images, and there are none"):
        trained(root, tmp_path / "run", split=few(root, labels="all"))
    assert not (tmp_path / "run").exists()


def test_a_labelled_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Whether its label is used or not: a source with a broken labelled file is to be mended."""
    root = write_pictures(tmp_path / "pictures")
    split = few(root)
    name = split.unlabelled.facts["id"].iloc[0]
    (root / name).write_bytes(b"broken")
    with pytest.raises(InputError, match=name):
        trained(root, tmp_path / "run", net=built())
    assert not (tmp_path / "run").exists()
