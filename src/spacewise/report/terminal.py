"""Results as lines for a terminal."""

from __future__ import annotations

import pandas as pd

from spacewise.audits import Audit
from spacewise.report import retrieval, transferred, verdict

HEADLINES = ("overall", "seen", "unseen", "pfa_at_pd90")


def accuracy_lines(audit: Audit) -> list[str]:
    """Accuracy of the audited weights, overall and by the split's own subsets, in percent with intervals."""
    facts = audit.facts
    table = audit.table("accuracy").query("weights == @facts['weights']")
    shown = table[table["subset"].isin(["overall", *facts["novelty"]])]
    return [
        f"{row.subset:>10}  [bold]{100 * row.accuracy:5.1f} %[/]  [dim]{100 * row.low:.1f} to {100 * row.high:.1f}, "
        f"n = {row.n}, {row.view}[/]"
        for row in shown.itertuples()
    ]


def study_lines(table: pd.DataFrame) -> list[str]:
    """Recall at 1 by method and space on training and test classes, in percent: mean ± deviation."""
    lines = []
    for method, rows in table[table["space"] != retrieval.PIXELS].groupby("method", sort=False):
        lines.append(f"[bold]{method}[/]  [dim]recall at 1: training, test classes[/]")
        for space, parts in rows.groupby("space", sort=False):
            found = parts.set_index("part")
            shown = [
                f"{100 * found['mean'][part]:5.1f} % ± {100 * found['std'][part]:.1f}".removesuffix(" ± nan")
                for part in ("train", "test")
            ]
            lines.append(f"{space:>14}  {'  '.join(shown)}")
    return lines


def comparison_lines(table: pd.DataFrame) -> list[str]:
    """The headline figures of a comparison, in percent: mean ± deviation, and the difference to the first method."""
    if "figure" not in table:
        return study_lines(table)
    lines = []
    for method, rows in table[table["figure"].isin(HEADLINES)].groupby("method", sort=False):
        lines.append(f"[bold]{method}[/]")
        for row in rows.itertuples():
            spread = (
                f" ± {100 * row.std:.1f}"
                if pd.notna(row.std)
                else f" [dim]{100 * row.low:.1f} to {100 * row.high:.1f}[/]"
            )
            against = f"   [dim]{100 * row.difference:+.1f}, p = {row.p:.2g}[/]" if pd.notna(row.p) else ""
            lines.append(f"{row.figure:>14}  {100 * row.mean:5.1f} %{spread}{against}")
    return lines


VIEWS = {
    "overall": (100, " %"),
    "seen": (100, " %"),
    "unseen": (100, " %"),
    "silhouette": (1, ""),
    "calinski_harabasz": (1, ""),
    "insertion:accuracy": (1, ""),
    "deletion:accuracy": (1, ""),
}


def views_lines(table: pd.DataFrame) -> list[str]:
    """The three views: mean ± deviation over runs, and the difference from the first method."""
    lines = []
    for method, rows in table[table["figure"].isin(VIEWS)].groupby("method", sort=False):
        lines.append(f"[bold]{method}[/]")
        for row in rows.itertuples():
            factor, unit = VIEWS[row.figure]
            digits = 1 if factor > 1 or abs(row.mean) >= 10 else 3
            spread = f" ± {factor * row.std:.{digits}f}" if pd.notna(row.std) else ""
            against = f"   [dim]{factor * row.difference:+.{digits}f}, p = {row.p:.2g}[/]" if pd.notna(row.p) else ""
            lines.append(f"{row.figure:>20}  {factor * row.mean:8.{digits}f}{unit}{spread}{against}")
    return lines


def audit_lines(audit: Audit) -> list[str]:
    """What an audit found, of whichever kind it is."""
    if retrieval.is_disjoint(audit):
        return layer_lines(audit)
    return [*accuracy_lines(audit), *([transferred.line(audit)] if transferred.has_domains(audit) else [])]


def layer_lines(audit: Audit) -> list[str]:
    """The recommended space, and recall at 1 of the deepest spaces on training and on test classes, in percent."""
    trained, tested = (retrieval.chosen(audit, part) for part in ("train", "test"))
    advice, under = retrieval.advice(audit), audit.facts["loss_spaces"]
    shown = dict.fromkeys([*retrieval.deepest(audit), str(advice["space"]), str(advice["against"])])
    names = [name for name in retrieval.spaces(audit) if name in shown]
    wide = max(12, *(len(name) for name in names))
    lines = [verdict.recommended(audit), f"{'':>{wide}}  [dim]training      test[/]"]
    for name in names:
        row, words = tested.loc[name], "recommended" if name == advice["space"] else ""
        words = ", ".join(filter(None, [words, "under the loss" if name in under else ""]))
        figures = f"{100 * trained.loc[name, retrieval.FIRST]:6.1f} %  [bold]{100 * row[retrieval.FIRST]:6.1f} %[/]"
        lines.append(f"{name:>{wide}}  {figures}  [dim]{100 * row.low:.1f} to {100 * row.high:.1f}  {words}[/]")
    return lines
