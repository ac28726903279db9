"""A search as a table of its trials, and which of its choices mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spacewise.tune.choices import Choice
from spacewise.tune.study import optuna

STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
ENOUGH = 10  # finished trials before anything is said of what mattered


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        trials: from `trials`.
        choices: what was left open.
        importance: from `importance`.
        measure: the figure by name: `validation accuracy`.
        samples: validation samples behind each figure.
        warm_up: the first epoch after which a trial could be stopped.
    """

    trials: pd.DataFrame
    choices: Sequence[Choice]
    importance: dict[str, float]
    measure: str
    samples: int
    warm_up: int

    @property
    def finished(self) -> pd.DataFrame:
        """Trials that were trained to their end, the best first; of equals the earlier."""
        ended = self.trials[self.trials["status"] == "finished"]
        return ended.sort_values("figure", ascending=False, kind="stable")


def trials(study: Any, choices: Sequence[Choice]) -> pd.DataFrame:
    """One row a trial: trial, status, figure (share), best_epoch, a column a choice as it was trained, why.

    The figure of a stopped trial is its best until then.
    """
    rows = []
    for trial in study.get_trials(deepcopy=False):
        told = trial.user_attrs
        reported = max(((value, -epoch) for epoch, value in trial.intermediate_values.items()), default=(None, 0))
        values = {choice.name: _value(choice, trial.params.get(choice.name)) for choice in choices}
        rows.append(
            {
                "trial": trial.number,
                "status": STATUS.get(trial.state.name, "running"),
                "figure": told.get("figure", reported[0]),
                "best_epoch": told.get("best_epoch", -reported[1] or None),
                **values,
                "why": told.get("why", told.get("pruned", "")),
            }
        )
    columns = ["trial", "status", "figure", "best_epoch", *(choice.name for choice in choices), "why"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"figure": float, "best_epoch": "Int64"})


def _value(choice: Choice, value: Any) -> float | str | None:
    if value is None or choice.options:
        return value
    return int(value) if choice.whole else float(choice.text(value))


def importance(study: Any, choices: Sequence[Choice]) -> dict[str, float]:
    """Share of the variance of the figure over finished trials that each choice explains by itself, largest first.

    Functional analysis of variance over a random forest (Hutter et al., ICML 2014). Empty with a single choice,
    fewer than `ENOUGH` finished trials, or figures that are all the same.
    """
    library = optuna()
    ended = study.get_trials(deepcopy=False, states=(library.trial.TrialState.COMPLETE,))
    if len(choices) < 2 or len(ended) < ENOUGH or len({trial.value for trial in ended}) < 2:
        return {}
    evaluator = library.importance.FanovaImportanceEvaluator(seed=0)
    names = [choice.name for choice in choices]
    shares = {name: float(share) for name, share in evaluator.evaluate(study, params=names).items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
