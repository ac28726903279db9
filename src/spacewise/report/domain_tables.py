"""Tables of a transfer's page: both domains' accuracy, and how they lie to one another in every space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacewise.report import transferred
from spacewise.report.numbers import count, interval, number
from spacewise.report.tables import Cell, Table

if TYPE_CHECKING:
    from spacewise.audits import Audit


def accuracy(audit: Audit) -> Table:
    """One row a domain."""
    rows = [
        [
            Cell(row["domain"]),
            Cell(count(row["samples"])),
            Cell(number(100 * row["accuracy"]), interval(row["low"], row["high"])),
        ]
        for row in audit.table("domain_accuracy").to_dict("records")
    ]
    return Table(
        ["domain", "test images", "accuracy"],
        rows,
        "Accuracy in percent with 95 % bootstrap intervals over images, each domain through its own branch of the "
        "network. Images as stored.",
    )


def spaces(audit: Audit) -> Table:
    """One row a space that has one dimension in both branches."""
    table = audit.table("domains")
    least = {name: table[name].round(3).min() for name in ("separability", "distance", "class_distance")}
    most = table["matched"].max()
    rows = [
        [
            Cell(row["space"]),
            Cell(
                number(row["separability"], 3),
                interval(row["low"], row["high"], 1, 3),
                round(row["separability"], 3) == least["separability"],
            ),
            *(Cell(number(row[name], 3), best=round(row[name], 3) == least[name]) for name in [*least][1:]),
            Cell(transferred.matched_words(audit, row["space"]), best=row["matched"] == most),
        ]
        for row in table.to_dict("records")
    ]
    return Table(
        ["space", "separability", "distance", "distance by class", "classes matched"],
        rows,
        "Test images of both domains. Separability: balanced accuracy of a linear probe that tells source from target, "
        "cross-validated, with 95 % bootstrap intervals over images; 0.5: guessing, 1: never wrong. Distance: root of "
        "the sliced squared Wasserstein distance in deviations of all samples, of the domains as a whole and as the "
        "mean over classes. Matched: the nearest class of the target is the class itself. Bold: where the domains lie "
        "closest. Domains that lie together with their classes exchanged have a small distance and few matches.",
    )
