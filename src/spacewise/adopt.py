"""A network made elsewhere, as a run: from a Python function that builds it, and a file with its weights."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from spacewise import files, runs
from spacewise.cache import decoded
from spacewise.errors import InputError, unknown
from spacewise.experiment import Experiment
from spacewise.nets.chain import Chain, output_sizes, wrap
from spacewise.nets.weights import read_weights
from spacewise.splits import Split

EXAMPLE = "net.py:build or package.module:build"


def factory(reference: str) -> Callable[[], Any]:
    """The function that `FILE.py:FUNCTION` or `MODULE:FUNCTION` names.

    Raises:
        InputError: the reference has another form, the file, module or function is not there, or its code fails.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        raise InputError(f"'{reference}' names no function: expected {EXAMPLE}")
    module = _run(place, lambda: _from_file(Path(place)) if place.endswith(".py") else _from_name(place))
    found = getattr(module, name, None)
    if not callable(found):
        raise unknown(f"function in {place}", name, [key for key, value in vars(module).items() if callable(value)])
    return found


def _run(what: str, code: Callable[[], Any]) -> Any:
    """What somebody's code returns; its failure as one line, with the place in it."""
    try:
        return code()
    except InputError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
        last = frames[-1]
        place = f" ({last.filename}, line {last.lineno})" if last.filename != __file__ else ""
        raise InputError(f"{what} fails with {type(error).__name__}: {_brief(error)}{place}") from error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path} does not exist: expected {EXAMPLE}")
    _import_from(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    spec.loader.exec_module(module)
    return module


def _from_name(name: str) -> Any:
    _import_from(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InputError(f"module '{name}' cannot be imported: {error}") from error


def _import_from(folder: Path) -> None:
    """What lies in the folder can be imported, as Python does it for a file that it runs."""
    if str(folder.absolute()) not in sys.path:
        sys.path.insert(0, str(folder.absolute()))


def named_spaces(given: Sequence[str]) -> dict[str, str]:
    """`feature=avgpool` options as space -> submodule."""
    spaces: dict[str, str] = {}
    for option in given:
        name, equals, path = option.partition("=")
        if not equals or not name or not path:
            raise InputError(f"--space takes NAME=SUBMODULE, such as feature=avgpool, not '{option}'")
        if name in spaces:
            raise InputError(f"--space names '{name}' twice: {spaces[name]} and {path}")
        spaces[name] = path
    return spaces


def adopt(
    reference: str,
    split: Split,
    folder: Path,
    *,
    weights: Path | None = None,
    spaces: Mapping[str, str] | None = None,
    size: int | None = None,
) -> runs.Run:
    """Makes a run of a network that was trained elsewhere, so that it can be audited.

    The network sees the pixels as they are stored, (sample, band, height, width) float32: what it wants done
    to them, the function builds in.

    Args:
        reference: `FILE.py:FUNCTION` or `MODULE:FUNCTION`; called without arguments, it returns a module or a
            chain.
        split: what it is asked about.
        folder: of the run; must not exist.
        weights: a local file, `.safetensors` or `.pth`; without it the network stays as it was built.
        spaces: name -> submodule, as `wrap` takes them; not for a chain, which names its own.
        size: side of its images in pixels; not for a chain.

    Raises:
        InputError: the function, the weights or a submodule is missing or does not fit; the folder exists.
    """
    if folder.exists():
        raise InputError(runs.occupied(folder) if (folder / "run.json").is_file() else f"{folder} already exists")
    made = _run(reference, factory(reference))
    if not isinstance(made, nn.Module):
        raise InputError(f"{reference} returned {type(made).__name__}, expected a torch.nn.Module")
    if weights is not None:
        _fill(made, weights)
    net = _chain(made, reference, split, dict(spaces or {}), size)
    _check(net, split)
    digests = decoded(split.source, net.size).digests
    experiment = _experiment(net, split, reference, weights, spaces)
    _write(folder, experiment, net, split, split.leaks(digests))
    return runs.Run(folder, experiment, net, split, "last")


def _experiment(
    net: Chain, split: Split, reference: str, weights: Path | None, spaces: Mapping[str, str] | None
) -> Experiment:
    """What tells two such networks apart: the function, the file, the spaces; a chain of ours is known by name."""
    values = runs.describe(net, [], split, {}, 0).model_dump()
    if values["net"]["name"] != "custom":
        return Experiment(**values)
    values["net"] |= {"factory": reference}
    values["net"] |= {"weights": str(weights)} if weights else {}
    values["net"] |= {"spaces": dict(spaces)} if spaces else {}
    return Experiment(**values)


def _fill(module: nn.Module, path: Path) -> None:
    try:
        module.load_state_dict(read_weights(path))
    except RuntimeError as error:
        raise InputError(f"weights {path} do not fit the network: {_brief(error)}") from error


def _chain(made: nn.Module, reference: str, split: Split, spaces: dict[str, str], size: int | None) -> Chain:
    if isinstance(made, Chain):
        if spaces or size:
            raise InputError(f"{reference} returns a chain, which has its own spaces and size: leave the options out")
        return made
    if not spaces:
        there = ", ".join(name for name, _ in made.named_modules() if name and name.count(".") < 2)
        raise InputError(f"--space is missing: NAME=SUBMODULE, once for each space; {reference} has {there}")
    if not size:
        raise InputError(f"--size is missing: the side in pixels of the images that {reference} takes")
    return wrap(made, spaces, bands=split.source.read(0).shape[0], size=size)


def _check(net: Chain, split: Split) -> None:
    bands = split.source.read(0).shape[0]
    if net.bands != bands:
        raise InputError(f"the images have {bands} bands, the network takes {net.bands}")
    try:
        sizes = output_sizes(net)
    except Exception as error:  # whatever somebody's network raises
        said = f"{type(error).__name__}: {_brief(error)}"
        raise InputError(f"the network fails on a {bands} x {net.size} x {net.size} image with {said}") from error
    classes = sizes.get("classifier")
    if classes and not split.disjoint and classes != (len(split.classes),):
        raise InputError(
            f"the space 'classifier' has shape {classes}, the split {len(split.classes)} classes; give it another name"
        )


def _write(folder: Path, experiment: Experiment, net: Chain, split: Split, leaks: list[str]) -> None:
    runs.create(folder, experiment, split, leaks)
    try:
        files.write_tensors(folder / "weights" / "last.safetensors", net.state_dict(), {"epoch": 0})
        files.write_table(folder / "log.csv", pd.DataFrame({"epoch": []}))
        facts = files.read_json(folder / "run.json")
        facts |= {"status": "finished", "epochs": 0, "best_epoch": 0, "seconds": 0.0, "precision": "float32"}
        files.write_json(folder / "run.json", facts)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
