"""A search as a table of its trials, and which of its choices mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spacewise.progress import track
from spacewise.tune.choices import Choice
from spacewise.tune.study import optuna

STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
ENOUGH = 20  # finished trials before anything is said of what mattered
PERMUTED = 39  # times: a share above all of theirs but one is beyond chance at 95 %


@dataclass(frozen=True)
class Share:
    """Of the variance of the figure, 0 to 1.

    Attributes:
        explained: by a choice, by itself.
        chance: what 95 % of permutations of the figures stay at or below.
    """

    explained: float
    chance: float

    @property
    def beyond(self) -> bool:
        """Whether it is more than chance."""
        return self.explained > self.chance


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
        seed: of all trials.
    """

    trials: pd.DataFrame
    choices: Sequence[Choice]
    importance: dict[str, Share]
    measure: str
    samples: int
    warm_up: int
    seed: int

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


def importance(study: Any, choices: Sequence[Choice]) -> dict[str, Share]:
    """Share of the variance of the figure over finished trials that each choice explains by itself, largest first.

    Functional analysis of variance over a random forest (Hutter et al., ICML 2014), beside what the same forest finds
    when the figures are dealt out at random among the trials. Empty with a single choice, fewer than `ENOUGH` finished
    trials, or figures that are all the same.
    """
    library = optuna()
    ended = study.get_trials(deepcopy=False, states=(library.trial.TrialState.COMPLETE,))
    if len(choices) < 2 or len(ended) < ENOUGH or len({trial.value for trial in ended}) < 2:
        return {}
    evaluator = library.importance.FanovaImportanceEvaluator(seed=0)
    names = [choice.name for choice in choices]
    generator = np.random.default_rng(0)
    figures = np.array([trial.value for trial in ended])

    def explained(values: np.ndarray) -> dict[str, float]:
        by_number = dict(zip([trial.number for trial in ended], values.tolist(), strict=True))
        return dict(evaluator.evaluate(study, params=names, target=lambda trial: by_number[trial.number]))

    found = explained(figures)
    permuted = [
        explained(generator.permutation(figures)) for _ in track(range(PERMUTED), "permuting figures", PERMUTED)
    ]
    shares = {name: Share(float(found[name]), float(sorted(each[name] for each in permuted)[-2])) for name in names}
    return dict(sorted(shares.items(), key=lambda item: -item[1].explained))
