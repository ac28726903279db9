"""`reproduce --on`: many runs at once give what one after another gives."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Command
from tests.grid import study, tiny

from spacewise.errors import InputError
from spacewise.grid import place
from spacewise.grid.local import Local
from spacewise.recipes import plan, reproduce
from spacewise.recipes.recipe import tasks


def test_local_processes_give_the_same_table(tmp_path: Path) -> None:
    asked = study.write_scenes(tmp_path / "scenes")
    table = {}
    for name, where in {"here": None, "local": Local(2)}.items():
        table[name] = pd.read_csv(reproduce(study.STUDY, asked, tmp_path / name, where))
    pd.testing.assert_frame_equal(table["here"], table["local"])
    folders = sorted(path.name for path in (tmp_path / "here" / "runs").iterdir())
    assert len(folders) == 3
    for folder in folders:
        assert tiny.same_weights(tmp_path / "here" / "runs" / folder, tmp_path / "local" / "runs" / folder)
    summary = pd.read_csv(tmp_path / "local" / "experiments.csv")
    assert summary["status"].tolist() == ["finished"] * 3
    assert summary["name"].str.startswith("pretraining-").tolist() == [True, False, False]


def test_shared_pretrainings_come_first_and_once(tmp_path: Path) -> None:
    asked = study.write_scenes(tmp_path / "scenes")
    made = tasks(plan(study.TRANSFER, asked, tmp_path / "out"), tmp_path / "out")
    assert [task.name for task in made[1:]] == ["finetune-32-fold0", "swd-32-fold0"]
    assert {task.pretrained for task in made[1:]} == {made[0].folder}
    assert made[0].pretrained is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--on", "nonsense"], "unknown place for --on 'nonsense': (there are: local, ray, ray://HOST:PORT)"),
        (["--on", "lokal"], "unknown place for --on 'lokal': did you mean 'local'?"),
        (["--on", "ray://127.0.0.1:1"], "no Ray cluster answers at ray://127.0.0.1:1: Connection refused"),
        (["--on", "local", "--gpus", "1"], "--gpus are shared out by Ray"),
        (["--on", "local", "--cpus", "100000"], "is more than this machine has"),
        (["--on", "local", "--cpus", "0"], "an experiment takes 1 CPU or more"),
        (["--cpus", "2"], "say where, with --on local or ray"),
        (["--gpus", "0.5"], "say where, with --on local or ray"),
    ],
)
def test_bad_places_are_one_line(
    spacewise: Command, pictures: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    if "ray:" in words[-1]:
        pytest.importorskip("ray")
    given = ["reproduce", "dual-loss.table7", "--data", f"aid={pictures}", "--out", tmp_path / "out"]
    code, _, shown = spacewise(*given, "--only", "caffenet", *words)
    assert code == 2
    assert message in shown
    assert shown.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ray_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'spacewise\[ray\]'"), place("ray"):
        pass
