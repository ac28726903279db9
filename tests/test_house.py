"""What holds for the whole house: which way imports point, and what no room may do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import spacewise

ROOT = Path(spacewise.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# each floor may import from its own and from those after it
FLOORS = (
    {"cli"},
    {"recipes"},
    {"learn", "adopt", "audits", "report", "check", "runs", "experiment"},
    {"objective", "losses", "nets", "measures"},
    {"sources", "splits", "augment", "cache"},
    {"errors", "files", "progress", "describe", "allocator"},
)
BLIND = {"losses", "nets", "measures"}  # know nothing of runs, files or pages
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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_evaluated_or_asserted(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno} validates with assert"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "joblib.load"}, name
            keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert keywords.get("allow_pickle", "False") == "False", f"{path}:{node.lineno} unpickles"


def test_every_public_name_is_documented() -> None:
    for path in FILES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}: {node.name} has no docstring"
