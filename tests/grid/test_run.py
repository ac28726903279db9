"""Many experiments to their ends, in a place that only pretends."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from tests.grid import tiny

from spacewise.errors import InputError
from spacewise.grid import Outcome, Task, run_all
from spacewise.grid.board import figure, picture, time_left
from spacewise.grid.standing import Standing, standing

FACTS = {"status": "finished", "split": "", "best_epoch": 2, "seconds": 12.5}


class Pretended:
    """Ends tasks at once, as it was told to; notes how many ran together."""

    def __init__(self, slots: int = 2, **ends: Sequence[str]) -> None:
        self.slots, self.ends = slots, {name: deque(each) for name, each in ends.items()}
        self.running: deque[Task] = deque()
        self.begun: list[str] = []
        self.most = 0
        self.seen: Callable[[], None] = lambda: None

    def submit(self, task: Task) -> None:
        self.running.append(task)
        self.begun.append(task.name)
        self.most = max(self.most, len(self.running))

    def wait(self, seconds: float) -> Sequence[Outcome]:
        self.seen()
        task = self.running.popleft()
        status = self.ends[task.name].popleft() if self.ends.get(task.name) else "finished"
        if status != "finished":
            return [Outcome(task, status, f"why {task.name} {status}")]
        write_run(task)
        return [Outcome(task, "finished", facts=FACTS)]

    def __enter__(self) -> Pretended:
        return self

    def __exit__(self, *error: object) -> None:
        self.running.clear()


def write_run(task: Task, status: str = "finished") -> None:
    """As much of a run's folder as is looked at."""
    task.folder.mkdir(parents=True, exist_ok=True)
    (task.folder / "experiment.yaml").write_text(task.experiment.yaml())
    (task.folder / "run.json").write_text(json.dumps(FACTS | {"status": status}))
    (task.folder / "log.csv").write_text("epoch,total,validation_accuracy\n1,2.0,0.5\n2,1.0,0.75\n3,0.9,0.7\n")


@pytest.fixture
def made(tmp_path: Path) -> list[Task]:
    return [tiny.task(tmp_path, tmp_path / "runs" / name, epochs=4) for name in "abcd"]


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "experiments.csv"


def test_all_of_them_end_and_the_table_says_how(made: list[Task], kept: Path) -> None:
    place = Pretended(2)
    ended = run_all(made, place, table=kept)
    assert list(ended) == ["a", "b", "c", "d"]
    assert {outcome.status for outcome in ended.values()} == {"finished"}
    assert place.most == 2
    table = pd.read_csv(kept)
    assert list(table) == ["name", "status", "tries", "seconds", "epoch", "best_epoch", "figure", "value", "why"]
    assert table[["name", "status", "tries", "best_epoch", "figure", "value"]].values.tolist() == [
        [name, "finished", 1, 2, "validation_accuracy", 0.75] for name in "abcd"
    ]


def test_the_table_fills_in(made: list[Task], kept: Path) -> None:
    place, seen = Pretended(1), []
    place.seen = lambda: seen.append(pd.read_csv(kept)["status"].tolist().count("finished"))
    run_all(made, place, table=kept)
    assert seen == [0, 1, 2, 3]


def test_what_is_finished_is_never_run_again(made: list[Task], kept: Path) -> None:
    write_run(made[1])
    write_run(made[2], "training")
    place = Pretended()
    ended = run_all(made, place, table=kept)
    assert place.begun == ["a", "c", "d"]
    assert ended["b"].facts == FACTS
    row = pd.read_csv(kept).set_index("name").loc["b"]
    assert (row["status"], row["tries"], row["seconds"], row["best_epoch"]) == ("finished", 0, 12.5, 2)
    again = Pretended()
    assert run_all(made, again, table=kept).keys() == ended.keys()
    assert again.begun == []


def test_failed_ones_are_tried_again(made: list[Task], kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Pretended(a=["failed", "failed"], b=["failed"])
    assert run_all(made, place, table=kept)["a"].status == "finished"
    assert sorted(place.begun) == sorted("aaabbcd")
    assert pd.read_csv(kept)["tries"].tolist() == [3, 2, 1, 1]
    assert "a failed (try 2 of 3): why a failed; it goes on from its saved state" in capsys.readouterr().err


def test_what_fails_for_good_is_named_once_all_others_have_ended(made: list[Task], kept: Path) -> None:
    place = Pretended(a=["failed"] * 9, c=["refused"] * 9)
    with pytest.raises(InputError) as caught:
        run_all(made, place, tries=2, table=kept)
    told = "2 of 4 experiments failed: a: why a failed; c: why c refused; the same command tries them again"
    assert str(caught.value) == told
    assert sorted(place.begun) == sorted("aabcd")
    table = pd.read_csv(kept).set_index("name")
    assert table["status"].to_dict() == {"a": "failed", "b": "finished", "c": "refused", "d": "finished"}
    assert table.loc["c", "why"] == "why c refused"


def test_many_failures_are_one_line(tmp_path: Path, kept: Path) -> None:
    many = [tiny.task(tmp_path, tmp_path / f"{number}") for number in range(9)]
    place = Pretended(**{task.name: ["refused"] for task in many})
    with pytest.raises(InputError, match=r"9 of 9 experiments failed: 0: why 0 refused; .*; and 4 more; the same"):
        run_all(many, place, table=kept)


def test_a_transfer_waits_for_its_pretraining(made: list[Task], kept: Path) -> None:
    first, *others = made
    others = [replace(task, pretrained=first.folder) for task in others]
    place = Pretended(4)
    run_all([*others, first], place, table=kept)
    assert place.begun[0] == "a"
    assert place.most == 3


def test_without_its_pretraining_it_is_refused(made: list[Task], kept: Path) -> None:
    first, second, *others = made
    place = Pretended(4, a=["refused"])
    with pytest.raises(InputError, match="2 of 4 experiments failed: a: why a refused; b: its pretraining a refused"):
        run_all([first, replace(second, pretrained=first.folder), *others], place, table=kept)
    assert place.begun == ["a", "c", "d"]


def test_another_experiment_in_the_folder_is_met_before_any_training(made: list[Task], kept: Path) -> None:
    write_run(replace(made[3], experiment=made[3].experiment.model_copy(update={"seed": 9})))
    place = Pretended()
    with pytest.raises(InputError, match="holds another experiment"):
        run_all(made, place, table=kept)
    assert place.begun == []


@pytest.mark.parametrize("key", ["name", "folder"])
def test_two_of_a_name_or_folder_are_refused(made: list[Task], kept: Path, key: str) -> None:
    with pytest.raises(InputError, match=f"2 experiments have the {key} "):
        run_all([*made, replace(made[0], **{"name": "x", "folder": Path("x")} | {key: getattr(made[0], key)})],
                Pretended(), table=kept)  # fmt: skip


def test_after_ctrl_c_it_says_what_is_finished(
    made: list[Task], kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Pretended(1)

    def interrupt() -> None:
        if len(place.begun) == 2:
            raise KeyboardInterrupt

    place.seen = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_all(made, place, table=kept)
    assert "interrupted: 1 of 4 experiments is finished" in capsys.readouterr().err
    assert pd.read_csv(kept)["status"].tolist() == ["finished", "waiting", "waiting", "waiting"]


def test_nothing_to_do(kept: Path) -> None:
    assert run_all([], Pretended(), table=kept) == {}


# What is shown


def test_the_log_of_a_run_says_where_it_stands(made: list[Task]) -> None:
    assert standing(made[0]).share == 0
    write_run(made[0], "training")
    row = standing(made[0])
    assert (row.status, row.epoch, row.epochs, row.share) == ("waiting", 3, 4, 0.75)
    assert figure(row) == "validation accuracy 70.0 %"
    row.end(Outcome(made[0], "finished", facts=FACTS))
    assert (row.share, figure(row)) == (1.0, "validation accuracy 75.0 %"), "the best epoch's"


def test_the_time_left() -> None:
    assert time_left(10, before=2, done=2, total=8) is None
    assert time_left(10, before=2, done=3, total=8) == 50
    assert time_left(10, before=0, done=8, total=8) == 0


def test_the_picture_has_room_for_those_that_run(made: list[Task]) -> None:
    rows = [Standing(task) for task in made]
    rows[2].start()
    write_run(rows[2].task, "training")
    rows[2].look()
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(picture(rows, 65, 1))
    text = console.export_text()
    assert "running" in text
    assert "3/4" in text
    assert "0/4" in text, "none of four has ended"
    assert "left 0:01:05" in text
    assert "waiting" not in text
    console.print(picture(rows, None, 10))
    assert console.export_text().count("waiting") == 3
