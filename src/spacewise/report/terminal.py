"""Results as lines for a terminal."""

from __future__ import annotations

from spacewise.audit import Audit


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
