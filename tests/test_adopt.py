"""Networks made elsewhere: a function that builds one, its weights, and its audit."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from spacewise import files, runs, splits
from spacewise.adopt import adopt, factory, named_spaces
from spacewise.audits import audit
from spacewise.errors import InputError
from spacewise.nets import Chain
from spacewise.sources import folder
from spacewise.splits import Split

pytestmark = pytest.mark.usefixtures("no_png")

SIDE = 16
CLASSES, EACH = 8, 5
SPACES = {"maps": "1", "feature": "3"}
NET = """
import torch
from torch import nn
from spacewise.nets import netA, wrap

def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 8)
    )

def chain():
    return wrap(build(), {"maps": "1", "feature": "3"}, bands=1, size=16)

def ours():
    torch.manual_seed(0)
    return netA(4, 1, 16, width=8, dimension=6)
"""


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is imported from somebody's folder is forgotten."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("torch", "spacewise", "numpy", "sklearn", "scipy", "matplotlib", "PIL", "pandas")):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Classes by the distance between stripes."""
    root, generator = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    for kind in range(CLASSES):
        (root / f"kind{kind}").mkdir()
        for index in range(EACH):
            stripes = 100 * (np.arange(SIDE) % (2 + kind) < 1 + kind // 2) + generator.integers(0, 90, (SIDE, SIDE))
            Image.fromarray(stripes.astype(np.uint8)).save(root / f"kind{kind}" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def disjoint(scenes: Path) -> Split:
    return splits.class_disjoint(folder(scenes))


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """The file of somebody's network."""
    path = tmp_path / "net.py"
    path.write_text(NET, encoding="utf-8")
    return path


@pytest.fixture
def module(net: Path) -> nn.Module:
    return factory(f"{net}:build")()


# What becomes a run


def test_a_module_becomes_a_run(net: Path, module: nn.Module, disjoint: Split, tmp_path: Path) -> None:
    run = adopt(f"{net}:build", disjoint, tmp_path / "run", spaces=SPACES, size=SIDE)
    assert run.net.spaces == ("maps", "feature")
    assert (run.net.size, run.net.bands, run.weights) == (SIDE, 1, "last")
    assert run.experiment.net.name == "custom"
    assert run.experiment.objective == []
    facts = run.facts
    assert facts["status"] == "finished"
    assert run.experiment.net.options["factory"] == f"{net}:build"
    assert facts["split"] == disjoint.digest()
    assert (facts["epochs"], facts["best_epoch"]) == (0, 0)
    images = torch.rand(2, 1, SIDE, SIDE)
    expected = module[:4](images)
    torch.testing.assert_close(run.net(images)["feature"], expected)
    left = sorted(path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file())
    assert left == ["experiment.yaml", "log.csv", "run.json", "split.parquet", "weights/last.safetensors"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("kind", ["safetensors", "pth", "trainer"])
def test_its_weights_are_read(net: Path, module: nn.Module, disjoint: Split, tmp_path: Path, kind: str) -> None:
    state = {name: values + 1 for name, values in module.state_dict().items()}
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        files.write_tensors(path, state)
    else:
        torch.save({"state_dict": {f"module.{n}": v for n, v in state.items()}} if kind == "trainer" else state, path)
    run = adopt(f"{net}:build", disjoint, tmp_path / "run", weights=path, spaces=SPACES, size=SIDE)
    kept, _ = files.read_tensors(run.folder / "weights" / "last.safetensors")
    for name, values in state.items():
        assert torch.equal(kept[f"module.{name}"], values)
    assert run.experiment.net.options["weights"] == str(path)


def test_a_chain_has_spaces_and_size_of_its_own(net: Path, disjoint: Split, tmp_path: Path) -> None:
    run = adopt(f"{net}:chain", disjoint, tmp_path / "run")
    assert run.net.spaces == ("maps", "feature")


def test_weights_of_a_run_fill_the_chain_that_was_trained(net: Path, disjoint: Split, tmp_path: Path) -> None:
    """Their names begin with the chain's own `module`, which is no parallel wrapper's."""
    first = factory(f"{net}:chain")()
    with torch.no_grad():
        first.module[0].bias += 1
    first.preprocess.mean.fill_(3.0)
    files.write_tensors(tmp_path / "best.safetensors", first.state_dict())
    run = adopt(f"{net}:chain", disjoint, tmp_path / "run", weights=tmp_path / "best.safetensors")
    found = run.net.state_dict()
    assert all(torch.equal(found[name], values) for name, values in first.state_dict().items())


def test_a_network_of_the_table_is_opened_by_name(net: Path, disjoint: Split, tmp_path: Path) -> None:
    run = adopt(f"{net}:ours", disjoint, tmp_path / "run")
    assert run.experiment.net.name == "netA"
    opened = runs.open_run(tmp_path / "run", weights="last")
    assert all(torch.equal(opened.net.state_dict()[name], values) for name, values in run.net.state_dict().items())


def test_an_adopted_run_has_its_last_weights_alone(net: Path, disjoint: Split, tmp_path: Path) -> None:
    run = adopt(f"{net}:chain", disjoint, tmp_path / "run")
    with pytest.raises(InputError, match="has no best weights; it has: last"):
        runs.open_run(run.folder, net=run.net)
    with pytest.raises(InputError, match=r"made in Python; open it with open_run\(folder, net=…\)"):
        runs.open_run(run.folder)
    assert runs.open_run(run.folder, net=run.net, weights="last").net is run.net


def test_a_function_of_a_module_in_this_folder(
    net: Path, disjoint: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").touch()
    net.rename(tmp_path / "mine" / "networks.py")
    monkeypatch.chdir(tmp_path)
    assert isinstance(adopt("mine.networks:chain", disjoint, tmp_path / "run").net, Chain)


def test_a_file_imports_what_lies_beside_it(net: Path, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("from net import chain\n", encoding="utf-8")
    assert isinstance(factory(f"{tmp_path / 'beside.py'}:chain")(), Chain)


def test_a_class_is_a_function_that_builds(tmp_path: Path, disjoint: Split) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\nclass Net(nn.Sequential):\n    pass\n", encoding="utf-8")
    assert isinstance(factory(f"{tmp_path / 'net.py'}:Net")(), nn.Sequential)


# What is refused, in one line, and nothing is left behind


def refused(tmp_path: Path, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        adopt(*arguments, tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob(".*"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("net.py", "'net.py' names no function: expected net.py:build or package.module:build"),
        ("net.py:", "names no function"),
        (":build", "names no function"),
        ("none.py:build", "none.py does not exist"),
        ("net.py:biuld", "unknown function in net.py 'biuld': did you mean 'build'?"),
        ("net.py:torch", "unknown function in net.py 'torch'"),
        ("nowhere.net:build", "module 'nowhere.net' cannot be imported: No module named 'nowhere'"),
    ],
)
def test_a_reference_to_nothing(
    net: Path, disjoint: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(tmp_path, reference, disjoint, spaces=SPACES, size=SIDE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def build():\n    return 3", "net.py:build returned int, expected a torch.nn.Module"),
        ("def build():\n    raise OSError('no\\nfile')", "net.py:build fails with OSError: no file ("),
        ("def build(classes):\n    pass", "net.py:build fails with TypeError: build() missing 1 required positional"),
        ("def build(:", "net.py fails with SyntaxError: "),
        ("\nimport nothing_like_it", "net.py fails with ModuleNotFoundError: No module named 'nothing_like_it' ("),
    ],
)
def test_code_that_fails_is_one_line_with_its_place(
    net: Path, disjoint: Split, tmp_path: Path, text: str, message: str
) -> None:
    net.write_text(text, encoding="utf-8")
    said = refused(tmp_path, f"{net}:build", disjoint, spaces=SPACES, size=SIDE)
    assert message in said
    assert message[-1] != "(" or said.endswith("net.py, line 2)")


def test_a_complaint_of_ours_passes_as_it_is(net: Path, disjoint: Split, tmp_path: Path) -> None:
    net.write_text("from spacewise.nets import aconvnet\ndef build():\n    return aconvnet(4, 1, 8)", encoding="utf-8")
    assert refused(tmp_path, f"{net}:build", disjoint).startswith("aconvnet: 8 x 8 pixels are too few")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spaces": {}}, "--space is missing: NAME=SUBMODULE, once for each space; "),
        ({"spaces": {}}, "net.py:build has 0, 1, 2, 3, 4"),
        ({"size": None}, "--size is missing: the side in pixels of the images that "),
        ({"spaces": {"feature": "5"}}, "unknown submodule '5'"),
        ({"spaces": {"a/b": "3"}}, "a space is named with letters, digits, '_' and '.', not 'a/b'"),
        ({"size": -1}, "the network fails on a 1 x -1 x -1 image with RuntimeError: "),
        ({"weights": Path("none.pth")}, "weights none.pth do not exist"),
    ],
)
def test_options_that_do_not_fit_the_module(
    net: Path, disjoint: Split, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    given = {"spaces": SPACES, "size": SIDE} | options
    assert message in refused(tmp_path, f"{net}:build", disjoint, **given)


@pytest.mark.parametrize("options", [{"spaces": SPACES}, {"size": SIDE}])
def test_options_that_a_chain_does_not_take(
    net: Path, disjoint: Split, tmp_path: Path, options: dict[str, Any]
) -> None:
    said = refused(tmp_path, f"{net}:chain", disjoint, **options)
    assert "returns a chain, which has its own spaces and size: leave the options out" in said


def test_weights_of_another_network(net: Path, disjoint: Split, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "a.pth")
    said = refused(tmp_path, f"{net}:chain", disjoint, weights=tmp_path / "a.pth")
    assert f"weights {tmp_path / 'a.pth'} do not fit the network: " in said


def test_a_network_for_other_images(net: Path, disjoint: Split, tmp_path: Path) -> None:
    net.write_text(
        "from torch import nn\nfrom spacewise.nets import wrap\n"
        "def build():\n    return wrap(nn.Flatten(), {'f': ''}, bands=3, size=8)\n"
        "class Bad(nn.Flatten):\n    def forward(self, images):\n        raise KeyError('rain')\n"
        "def bad():\n    return wrap(Bad(), {'f': ''}, bands=1, size=8)\n",
        encoding="utf-8",
    )
    said = refused(tmp_path, f"{net}:build", disjoint)
    assert said == "the images have 1 bands, the network takes 3"
    said = refused(tmp_path, f"{net}:bad", disjoint)
    assert said == "the network fails on a 1 x 8 x 8 image with KeyError: 'rain'"


def test_a_classifier_must_know_the_classes_that_it_is_tested_on(net: Path, scenes: Path, tmp_path: Path) -> None:
    closed = splits.stratified(folder(scenes))
    spaces = {"feature": "3", "classifier": "4"}
    net.write_text(NET.replace("nn.Linear(16, 8)", "nn.Linear(16, 7)"), encoding="utf-8")
    said = refused(tmp_path, f"{net}:build", closed, spaces=spaces, size=SIDE)
    assert said.startswith("the space 'classifier' has shape (7,), the split 8 classes; give it another name")
    adopt(f"{net}:build", splits.class_disjoint(folder(scenes)), tmp_path / "run", spaces=spaces, size=SIDE)


def test_a_folder_that_is_there_is_left_alone(net: Path, disjoint: Split, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="already exists"):
        adopt(f"{net}:chain", disjoint, tmp_path / "mine")
    adopt(f"{net}:chain", disjoint, tmp_path / "run")
    with pytest.raises(InputError, match="already holds a finished run"):
        adopt(f"{net}:chain", disjoint, tmp_path / "run")


def test_spaces_are_named_one_by_one() -> None:
    assert named_spaces(["maps=1", "feature=pool.2"]) == {"maps": "1", "feature": "pool.2"}
    for wrong in ("feature", "=1", "feature="):
        with pytest.raises(InputError, match="--space takes NAME=SUBMODULE, such as feature=avgpool, not"):
            named_spaces([wrong])
    with pytest.raises(InputError, match="--space names 'feature' twice: 1 and 2"):
        named_spaces(["feature=1", "feature=2"])


# Its audit


def test_an_adopted_run_is_audited_by_retrieval(net: Path, disjoint: Split, tmp_path: Path) -> None:
    made = audit(adopt(f"{net}:chain", disjoint, tmp_path / "run"))
    table = made.table("retrieval")
    assert set(table["space"]) == {"pixels", "maps", "feature"}
    assert set(table["part"]) == {"train", "validation", "test"}
    assert set(table["weights"]) == {"last"}
    assert made.facts["loss_spaces"] == []
    assert made.facts["recommendation"]["against"] == "feature", "nobody said which space has the loss: the deepest"


def test_a_network_that_stays_in_training_mode_is_asked_in_evaluation_mode(disjoint: Split, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5)).train()\n",
        encoding="utf-8",
    )
    run = adopt(f"{tmp_path / 'net.py'}:build", disjoint, tmp_path / "run", spaces={"x": "0", "y": "1"}, size=4)
    made = audit(run)
    np.testing.assert_array_equal(made.space("x"), made.space("y"))


Command = Callable[..., tuple[int, str, str]]


def test_a_network_is_audited_on_classes_that_it_does_not_know(
    spacewise: Command, net: Path, module: nn.Module, scenes: Path, tmp_path: Path
) -> None:
    torch.save(module.state_dict(), tmp_path / "net.pth")
    code, out, error = spacewise(
        "audit", f"{net}:build", "--weights", tmp_path / "net.pth", "--space", "maps=1", "--space", "feature=3",
        "--size", SIDE, "--data", scenes, "--split", "class-disjoint", "--out", tmp_path / "audited", "--json",
    )  # fmt: skip
    assert code == 0, error
    found = json.loads(out)
    assert found["recommendation"]["space"] in ("maps", "feature")
    assert "accuracy" not in found
    assert Path(found["report"]) == tmp_path / "audited" / "report.html"
    assert (tmp_path / "audited" / "audit" / "retrieval.parquet").is_file()


def test_a_classifier_is_audited_on_its_own_classes(
    spacewise: Command, net: Path, scenes: Path, tmp_path: Path
) -> None:
    code, out, error = spacewise(
        "audit", f"{net}:build", "--space", "feature=3", "--space", "classifier=4", "--size", SIDE,
        "--data", scenes, "--split", "stratified", "--out", tmp_path / "audited", "--json",
    )  # fmt: skip
    assert code == 0, error
    found = json.loads(out)
    assert {row["weights"] for row in found["accuracy"]} == {"last"}
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "Training</" not in page, "a curve of a training that nobody saw"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "{scenes}"), "--out is missing"),
        (("--out", "{out}"), "--data is missing: a folder of images, or simulated"),
        (("--data", "{scenes}", "--out", "{out}", "--split", "class-disjont"), "did you mean 'class-disjoint'"),
        (("--data", "{scenes}", "--out", "{out}", "--space", "feature"), "--space takes NAME=SUBMODULE"),
        (("--data", "{scenes}", "--out", "{out}", "--weights", "none.pth"), "weights none.pth do not exist"),
    ],
)
def test_a_command_that_cannot_be_met_is_one_line(
    spacewise: Command, net: Path, scenes: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(scenes=scenes, out=tmp_path / "audited") for word in words]
    code, _, error = spacewise("audit", f"{net}:chain", *given)
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "audited").exists()


def test_options_for_networks_made_elsewhere_are_refused_for_runs(spacewise: Command, tmp_path: Path) -> None:
    code, _, error = spacewise("audit", tmp_path, "--size", "16")
    assert code == 2
    assert "--split, --space, --size and --out are for a network made elsewhere (FILE.py:FUNCTION)" in error
