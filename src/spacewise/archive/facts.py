"""What a folder of embeddings says of itself, in `_embeddings.json`: read and checked in one place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacewise import files
from spacewise.errors import InputError

FACTS = "_embeddings.json"
KINDS = {"spaces": dict, "shards": int, "samples": int, "size": int, "stride": int}  # all others are text


def read_facts(folder: Path, keys: Sequence[str]) -> dict[str, Any]:
    """The facts; raises `InputError` where there are none, or one of the keys is not among them."""
    facts = files.read_json(folder / FACTS)
    check_facts(facts, folder, keys)
    return dict(facts)


def check_facts(facts: Any, folder: Path, keys: Sequence[str]) -> None:
    """Raises `InputError` naming the first key that is missing, empty, or of another kind than is written."""
    for key in keys:
        value = facts.get(key) if isinstance(facts, dict) else None
        if not value or not isinstance(value, KINDS.get(key, str)):
            raise InputError(
                f"{folder / FACTS} has no '{key}' as spacewise embed writes it; name another folder, or embed the "
                "archive into another --out"
            )


def again(folder: Path) -> str:
    """The command that makes what is missing, into the folder where it lies now."""
    facts = files.read_json(folder / FACTS)
    said = facts.get("command") if isinstance(facts, dict) else None
    words = shlex.split(said) if isinstance(said, str) else ["spacewise", "embed", "RUN", "DIR", "--out", ""]
    if "--out" in words[:-1]:
        words[words.index("--out") + 1] = str(folder)
    return shlex.join(words)
