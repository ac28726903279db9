"""What was measured so far, on disk after every step, so that a run that was interrupted goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spacewise import files

STATE = "benchmarks.json"


class State:
    """Records of scripts by name, and rows of `growth`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.values: dict[str, Any] = {"scripts": {}, "growth": []}
        if (out / STATE).is_file():
            self.values |= files.read_json(out / STATE)

    def save(self) -> None:
        """Writes all of it."""
        files.write_json(self.out / STATE, self.values)

    def script(self, record: dict[str, Any]) -> None:
        """Keeps a record, and what the script printed as a file of its own where it came to its end."""
        self.values["scripts"][record["name"]] = record
        if record["done"]:
            first = f"# {record['command']}, commit {record['commit']}, {record['started']}\n"
            files.write_text(self.out / f"{record['name']}.txt", first + record["printed"])
        self.save()

    def has_script(self, name: str, key: dict[str, Any]) -> bool:
        """Whether it came to its end by this key: code, arguments, threads, machine and libraries."""
        record = self.values["scripts"].get(name, {})
        return bool(record.get("done")) and key.items() <= record.items()

    def growth(self, row: dict[str, Any]) -> None:
        """Keeps one measurement."""
        self.values["growth"].append(row)
        self.save()

    def keep(self, key: dict[str, Any], operations: Sequence[str]) -> list[dict[str, Any]]:
        """Forgets rows of these operations that failed, or whose key differs: code, scale, threads, machine, libraries.

        Returns:
            Of what is left of them: operation, contender, size and round of each.
        """
        whole = [row for row in self.values["growth"] if not row.get("error") and key.items() <= row.items()]
        mine = [row for row in whole if row["operation"] in operations]
        self.values["growth"] = [row for row in self.values["growth"] if row["operation"] not in operations] + mine
        return [{name: row[name] for name in ("operation", "contender", "size", "round")} for row in mine]

    def failed(self) -> bool:
        """Whether a script or a measurement failed."""
        rows = any(row.get("error") for row in self.values["growth"])
        return rows or not all(record["done"] for record in self.values["scripts"].values())
