"""What holds for the whole house: which way imports point, and what no room may do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import spacewise

ROOT = Path(spacewise.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# each floor may import from its own and from those after it
FLOORS = (
    {"cli", "__main__"},
    {"recipes"},
    {
        "learn",
        "adopt",
        "audits",
        "explain",
        "explorer",
        "report",
        "check",
        "runs",
        "experiment",
        "methods",
        "flags",
        "regime",
        "grid",
        "tune",
        "archive",
    },
    {"objective", "losses", "nets", "measures"},
    {"sources", "splits", "augment", "cache"},
    {"errors", "files", "progress", "describe", "allocator"},
)
BLIND = {"losses", "nets", "measures"}  # know nothing of runs, files or pages
READER = "nets/weights.py"  # of files that others made
FORBIDDEN = {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "joblib.load"}
CLOSED = re.compile(r"(c?pickle|dill|joblib|cloudpickle|marshal|shelve)\b|torch\.load$", re.IGNORECASE)
SEEN_BY_THE_BLIND = {"losses", "nets", "measures", "sources", "errors", "describe"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def floor(name: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if name in rooms)


def imported(path: Path) -> set[str]:
    """Rooms of the package that a file imports from."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spacewise"):
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return found - {"__version__"}


def test_every_room_has_a_floor() -> None:
    rooms = {room(path) for path in FILES} - {"__init__"}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    if path.parent == ROOT and path.name == "__init__.py":
        return
    here = room(path)
    for other in imported(path):
        assert floor(other) >= floor(here), f"{path} imports {other}, which stands above it"
        assert here not in BLIND or other in SEEN_BY_THE_BLIND, f"{path} imports {other}"


def offences(text: str, name: str) -> list[str]:
    """What a file does that no file may: by its text, and its path below the package."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Assert):
            found.append(f"line {node.lineno} validates with assert")
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            names = [f"{module}.{alias.name}".strip(".") for alias in node.names]
            found += [f"line {node.lineno} imports {each}" for each in names if CLOSED.match(each)]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            # with this keyword it is torch's restricted reader, which builds tensors and runs nothing
            restricted = called == "torch.load" and keywords.get("weights_only") == "True" and name == READER
            if called in FORBIDDEN and not restricted:
                found.append(f"line {node.lineno} calls {called}")
            if keywords.get("allow_pickle", "False") != "False":
                found.append(f"line {node.lineno} unpickles")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_evaluated_or_asserted(path: Path) -> None:
    assert not offences(path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize(
    ("text", "name", "caught"),
    [
        ("torch.load(path, weights_only=True)", READER, False),
        ("torch.load(path, weights_only=True)", "runs.py", True),
        ("torch.load(path)", READER, True),
        ("torch.load(path, weights_only=False)", READER, True),
        ("torch.load(path, weights_only=safe)", READER, True),
        ("torch.load(path, None, True)", READER, True),
        ("from torch import load", READER, True),
        ("import pickle", READER, True),
        ("np.load(path, allow_pickle=True)", "files.py", True),
        ("np.load(path)", "files.py", False),
        ("eval(text)", "objective.py", True),
    ],
)
def test_an_unpickler_would_be_seen(text: str, name: str, caught: bool) -> None:
    assert bool(offences(text, name)) == caught


def test_every_public_name_is_documented() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"
