"""All combinations: which they are, what they are called, and the commands as a user meets them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tests.tune.in_process import TINY, Here, given

from spacewise import runs
from spacewise.errors import InputError
from spacewise.grid import places
from spacewise.learn.training import Training
from spacewise.report.compare import method_names
from spacewise.tune.choices import found
from spacewise.tune.grid import combinations, folder_names, grid, planned
from spacewise.tune.names import Text
from spacewise.tune.template import Template

pytestmark = pytest.mark.usefixtures("no_png")

Command = Callable[..., tuple[int, str, str]]
LOSS = ("crossentropy@classifier", "{0.1|1}*center@{feature|classifier}")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that a comparison is asked for, which is not made."""
    folders: list[Path] = []

    def compare(runs: list[Path], out: Path, *, command: str) -> tuple[pd.DataFrame, Path]:
        folders.extend(runs)
        row = {"method": command, "figure": "overall", "mean": 0.5, "std": 0.1, "difference": 0.0, "p": math.nan}
        return pd.DataFrame([row]), out / "comparison.html"

    monkeypatch.setattr("spacewise.tune.grid.compare_runs", compare)
    return folders


def names(*written: str) -> list[str]:
    return folder_names(combinations(found([Text("loss", text) for text in written])))


def test_every_combination_has_a_name_of_its_values() -> None:
    assert names("{0.1|1}*center@{feature|classifier}") == [
        "weight=0.1,space=feature",
        "weight=0.1,space=classifier",
        "weight=1,space=feature",
        "weight=1,space=classifier",
    ]
    assert names("{0.1|1}*center@f", "{2|3}*supcon@f")[0] == "center.weight=0.1,supcon.weight=2"


def test_names_of_folders_stay_apart_and_short() -> None:
    awkward = names("{a/b|a b|a:b}")
    assert len(set(awkward)) == 3
    assert not any(set(name) & set("/: ") for name in awkward)
    long = names(f"{{{'x' * 300}|{'x' * 299}y}}")
    assert len(set(long)) == 2
    assert max(map(len, long)) < 200


def test_a_grid_takes_no_ranges() -> None:
    with pytest.raises(InputError, match=r"\{0\.1\.\.10 log\} is a range, and a grid takes options"):
        names("{0.1..10 log}*center@f")


def test_a_grid_without_end_is_refused_with_its_size() -> None:
    digits = "{" + "|".join("0123456789") + "}"
    with pytest.raises(InputError, match="these choices have 10,000,000,000 combinations, and a grid takes 10,000"):
        names(*[f"{digits}*center@f"] * 10)


def test_seeds_are_one_method_and_nothing_is_trained_twice(
    pictures: Path, tmp_path: Path, compared: list[Path]
) -> None:
    chosen = Template(
        given(pictures, loss=("crossentropy@classifier", "{0|1}*center@feature"), changes=("seed={0|1}",))
    )
    place = Here(most=2)
    with pytest.raises(KeyboardInterrupt):
        grid(chosen, place, tmp_path / "out", command="spacewise grid")
    assert place.done == ["weight=0,seed=0", "weight=0,seed=1"]
    place = Here()
    table, page = grid(chosen, place, tmp_path / "out", command="spacewise grid")
    assert place.done == ["weight=1,seed=0", "weight=1,seed=1"]
    assert (list(table["method"]), page) == (["spacewise grid"], tmp_path / "out" / "comparison.html")
    methods = method_names([runs.read_experiment(folder) for folder in compared])
    assert [methods.count(name) for name in dict.fromkeys(methods)] == [2, 2]
    assert len(pd.read_csv(tmp_path / "out" / "grid.csv")) == 4
    assert runs.read_experiment(tmp_path / "out" / "runs" / "weight=1,seed=1").seed == 1


def test_those_that_finish_are_compared_though_others_fail(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[Path]
) -> None:
    plain = Training.validate

    def diverging(self: Training) -> dict[str, float]:
        if self.settings.rate > 1e-2:
            raise InputError("training diverged")
        return plain(self)

    monkeypatch.setattr(Training, "validate", diverging)
    chosen = Template(given(pictures, loss=LOSS[:1], changes=("rate={0.001|0.01|0.1}",)))
    with pytest.raises(
        InputError, match=r"1 of 3 experiments failed: rate=0\.1: training diverged.* compared in .*html"
    ):
        grid(chosen, Here(), tmp_path / "out", command="spacewise grid")
    assert [folder.name for folder in compared] == ["rate=0.001", "rate=0.01"]


@pytest.mark.parametrize(
    ("loss", "changes", "words"),
    [
        (("crossentropy@classifier", "{1|1.0}*center@feature"), (), "weight=1 and weight=1.0 are the same experiment"),
        (("{1|2}*center@{feature|clasifier}",), (), "unknown space 'clasifier'"),
        (("crossentropy@classifier",), ("shift={1|2|x}",), "regime.shift"),
        (("crossentropy@classifier",), (), "nothing is left open"),
    ],
)
def test_what_cannot_be_is_met_at_the_door(
    pictures: Path, tmp_path: Path, loss: tuple[str, ...], changes: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        planned(Template(given(pictures, loss=loss, changes=changes)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--on local` is this process."""
    monkeypatch.setattr(places, "place", lambda *_: Here())


def typed(pictures: Path, out: Path, loss: str) -> list[object]:
    words = ["--data", pictures, "--loss", "crossentropy@classifier", "--loss", loss, "--size", "24", "--out", out]
    return [*words, "--epochs", "1", *(word for change in TINY for word in ("--set", change))]


@pytest.mark.usefixtures("here")
def test_the_command_tune(spacewise: Command, pictures: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = typed(pictures, tmp_path / "out", "{0.1..10 log}*center@{feature|classifier}")
    code, shown, error = spacewise("tune", *words, "--trials", 2, "--json")
    assert code == 0, error
    said = json.loads(shown)
    assert said["trial"]["status"] == "finished"
    assert Path(said["report"]).is_file()
    code, _, error = spacewise("tune", *words, "--trials", 2)
    assert code == 0, error
    assert "Best validation accuracy" in error.replace("\n", " ")
    code, _, error = spacewise("train", said["best"], "--out", tmp_path / "best")
    assert code == 0, error
    assert spacewise("tune", *words, "--trials", 0)[0] == 2
    assert spacewise("tune", *words, "--seed", "{0|1}")[0] == 2  # another search


@pytest.mark.usefixtures("here")
def test_the_command_grid(spacewise: Command, pictures: Path, tmp_path: Path, compared: list[Path]) -> None:
    code, shown, error = spacewise("grid", *typed(pictures, tmp_path / "out", "{0|1}*center@feature"), "--json")
    assert code == 0, error
    said = json.loads(shown)
    assert said["table"][0]["method"].startswith("spacewise grid --data")
    assert said["report"] == str(tmp_path / "out" / "comparison.html")
    assert [folder.name for folder in compared] == ["weight=0", "weight=1"]
    for command in ("grid", "tune"):
        assert "Example" in spacewise(command, "--help")[1]
