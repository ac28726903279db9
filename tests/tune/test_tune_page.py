"""The page of a search, from tables made up."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.text import Text

from spacewise.experiment import Experiment
from spacewise.report.tuned import best_line, commands, lines, write_tuned
from spacewise.tune import study as journal
from spacewise.tune.choices import Choice
from spacewise.tune.table import ENOUGH, Searched, Share, importance, trials

pytestmark = pytest.mark.usefixtures("no_png")

CHOICES = (
    Choice("contrastive.weight", "{0.1..10 log}", low=0.1, high=10, log=True),
    Choice("contrastive.space", "{feature|classifier}", ("feature", "classifier")),
    Choice("batch", "{4..64 int}", low=4, high=64, whole=True),
)
EXPERIMENT = Experiment(
    data={"source": {"name": "simulated"}, "split": {"name": "roles"}},
    net={"name": "aconvnet"},
    objective=["crossentropy@classifier"],
)


def made_up(number: int, samples: int = 200, measure: str = "validation accuracy") -> Searched:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "trial": range(number),
            "status": (["finished", "finished", "pruned", "failed"] * number)[:number],
            "figure": generator.uniform(0.3, 0.95, number),
            "best_epoch": pd.array(generator.integers(1, 30, number), "Int64"),
            "contrastive.weight": 10 ** generator.uniform(-1, 1, number).round(2),
            "contrastive.space": generator.choice(["feature", "classifier"], number),
            "batch": generator.integers(4, 65, number),
            "why": "",
        }
    )
    table.loc[table["status"] == "failed", ["figure", "why"]] = [np.nan, "training diverged <here>"]
    shares = {"contrastive.weight": Share(0.5, 0.4), "batch": Share(0.1, 0.3)} if number > 9 else {}
    return Searched(table, CHOICES, shares, measure, samples, 3, 0)


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<svg.*?</svg>|<[^>]+>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL))


def test_the_page_says_what_was_found_and_how_much_to_believe(tmp_path: Path) -> None:
    found = made_up(30)
    text = text_of(write_tuned(found, tmp_path, command="spacewise tune …", experiment=EXPERIMENT))
    best = found.finished.iloc[0]
    for words in (
        "0.1 to 10, even in the logarithm", "feature, classifier", "whole numbers", f"in trial {best['trial']}",
        "The best of 30 trials", "optimistic", "spacewise audit", "--set seed=1", "with 200 validation samples",
        "Which choices mattered", "validation figure alone", "Hutter", "95 % of permutations",
        "The best 10 of 16 finished",
        "7 pruned, 7 failed", "training diverged &lt;here&gt;",
    ):  # fmt: skip
        assert words in text.replace("\N{NARROW NO-BREAK SPACE}", " "), words
    assert {path.name for path in (tmp_path / "figures").glob("*.svg")} == {
        "history.svg",
        "choices.svg",
        "importance.svg",
    }


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_short_search_claims_nothing(tmp_path: Path, number: int) -> None:
    text = text_of(write_tuned(made_up(number), tmp_path, command="spacewise tune", experiment=EXPERIMENT))
    assert "Too few trials are finished" in text
    assert not (tmp_path / "figures" / "importance.svg").exists()


def test_the_best_trial_in_a_sentence() -> None:
    found = made_up(8, measure="validation recall")
    assert best_line(found).startswith("Best validation recall: ")
    assert re.search(r"\[\d+\.\d, \d+\.\d\] in trial \d, with contrastive.weight \d", best_line(found))


def test_what_mattered_is_told_from_what_did_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.setattr("spacewise.tune.table.PERMUTED", 6)  # seconds, not half a minute
    study = journal.open_study(tmp_path / "study.log", 1)
    assert ENOUGH == 20
    for _ in range(ENOUGH):
        trial = journal.new_trial(study)
        values = journal.drawn(trial, CHOICES, 0)
        assert importance(study, CHOICES) == {}
        journal.end(
            study, trial, "finished", {"figure": float(values["contrastive.space"] == "feature"), "best_epoch": 1}
        )
    shares = importance(study, CHOICES)
    assert next(iter(shares)) == "contrastive.space"
    assert shares["contrastive.space"].explained > 0.8
    assert sum(share.explained for share in shares.values()) <= 1 + 1e-9
    assert [name for name, share in shares.items() if share.beyond] == ["contrastive.space"]
    assert importance(study, CHOICES) == shares, "the same permutations every time"
    assert importance(study, CHOICES[:1]) == {}
    assert list(trials(study, CHOICES)["status"]) == ["finished"] * ENOUGH


def test_what_is_no_more_than_chance_is_not_drawn(tmp_path: Path) -> None:
    found = replace(made_up(30), importance={"batch": Share(0.5, 0.6), "contrastive.weight": Share(0.3, 0.4)})
    text = text_of(write_tuned(found, tmp_path, command="spacewise tune", experiment=EXPERIMENT))
    assert "No choice explains more of the variance" in text
    assert not (tmp_path / "figures" / "importance.svg").exists()


def test_what_to_type_next_is_the_same_everywhere_and_quoted(tmp_path: Path) -> None:
    out = tmp_path / "my [b] out"
    found = made_up(5)
    page = write_tuned(found, out, command="spacewise tune", experiment=EXPERIMENT)
    train, audit = commands(found, out)
    assert train == f"spacewise train '{out}/best.yaml' --set seed=1 --out '{out}/best'"
    assert audit == f"spacewise audit '{out}/best'"
    assert train in html.unescape(page.read_text())
    shown = [Text.from_markup(line).plain for line in lines(found, {"best": out / "best.yaml", "report": page})]
    assert shown[1:] == [f"best: {out}/best.yaml", f"report: {page}", f"next: {train}"]
