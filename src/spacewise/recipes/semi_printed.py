"""What Hernandez-Sequeira et al. print in Tables II and III, and which of their sets a run is of."""

from __future__ import annotations

import pandas as pd

from spacewise.runs import Run

# top 1 and best top 1 on the test images, percent; time in hours and minutes
PRINTED = {
    ("UC Merced", "all-resnet18"): (92.48, 94.38, "82:30"),
    ("UC Merced", "all-resnet50"): (93.43, 94.38, "127:31"),
    ("UC Merced", "all-wrn28-2"): (93.62, 95.14, "132:35"),
    ("AID", "all-resnet18"): (91.04, 91.32, "261:09"),
    ("AID", "all-resnet50"): (90.9, 91.66, "263:18"),
    ("AID", "all-wrn28-2"): (93.08, 94.66, "266:19"),
    ("UC Merced", "comatch"): (90.4, 92.8, "205:59"),
    ("UC Merced", "comatch+ccssl-in"): (90.4, 92.0, "112:38"),
    ("UC Merced", "comatch+ccssl-out"): (89.4, 92.0, "205:39"),
    ("UC Merced", "comatch+triplet"): (92.6, 93.2, "206:41"),
    ("AID", "comatch"): (91.49, 92.19, "247:58"),
    ("AID", "comatch+ccssl-in"): (90.73, 91.05, "173:17"),
    ("AID", "comatch+ccssl-out"): (89.46, 90.22, "248:33"),
    ("AID", "comatch+triplet"): (86.16, 90.92, "248:35"),
}
KNOWN = {"UC Merced": "mobilehomepark", "AID": "BareLand"}  # a class that tells the set, as its folder is called


def set_name(run: Run) -> str:
    """`UC Merced, 10 classes`; the folder's name where the set is not known."""
    return f"{_set(run)}, {len(run.split.classes)} classes"


def _set(run: Run) -> str:
    source = run.split.source
    places = (path for form in ("*", "*/*") for path in source.root.glob(form)) if source.root else ()
    folders = {path.name for path in places if path.is_dir()}
    known = [name for name, folder in KNOWN.items() if folder in folders]
    return known[0] if known else (source.root.name if source.root else source.name)


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's figures for the rows of a table: set, key, top1, best_top1, time."""
    rows = []
    for row in table[["set", "key"]].drop_duplicates().itertuples():
        figures = PRINTED.get((row.set.rpartition(",")[0], row.key))
        if figures:
            rows.append((row.set, row.key, *figures))
    return pd.DataFrame(rows, columns=["set", "key", "top1", "best_top1", "time"])
