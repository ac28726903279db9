"""What pages ask of an explanation: which maps, what they are worth image by image, and against which floors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from spacewise.errors import InputError
from spacewise.explain.stored import FLOORS, Explanation

Explained = Mapping[str, Sequence[Explanation]]
"""Name of a method -> explanations of its runs."""

AREAS = ("insertion", "deletion")
REGIONS = ("target", "clutter", "shadow")
OWN = "own"

METHOD_WORDS = {"gradcam": "Grad-CAM", "random": "random order", "centre": "centre first"}


def words(method: str) -> str:
    """`Grad-CAM`: a method of attribution as it is written."""
    return METHOD_WORDS.get(method, method.replace("_", " "))


def attribution(explanation: Explanation) -> str:
    """The method that is explained by: the first that is no floor.

    Raises:
        InputError: there are floors alone.
    """
    found = [method for method in explanation.facts["methods"] if method not in FLOORS]
    if not found:
        named = " and ".join(explanation.facts["methods"])
        raise InputError(
            f"{explanation.folder} explains by {named} alone, expected a method of attribution beside them"
        )
    return str(found[0])


def each(explanation: Explanation) -> pd.DataFrame:
    """Every figure of attribution, image by image: the index is the image's id.

    Columns `insertion:DEFINITION`, `deletion:…`, `difference:…` (first less second), the same of a floor as
    `insertion:DEFINITION:FLOOR`, `gain:DEFINITION:FLOOR` (the difference less the floor's), and with masks
    `share:REGION` of the attribution (NaN where the map is zero), `share:REGION:FLOOR`, and `area:REGION`.
    """
    ids, shown = explanation.table("samples")["id"].to_numpy(), attribution(explanation)
    found: dict[str, pd.Series] = {}
    scores, floors = explanation.table("scores"), _floors(explanation)
    for definition in explanation.facts["definitions"]:
        rows = scores[scores["definition"] == definition]
        for method in (shown, *floors):
            mine, ending = rows[rows["method"] == method].set_index("image"), "" if method == shown else f":{method}"
            found |= {f"{area}:{definition}{ending}": mine[area] for area in AREAS}
            found[f"difference:{definition}{ending}"] = mine["insertion"] - mine["deletion"]
        for floor in floors:
            own, beaten = found[f"difference:{definition}"], found[f"difference:{definition}:{floor}"]
            found[f"gain:{definition}:{floor}"] = own - beaten
    table = pd.DataFrame(found | _by_region(explanation, shown))
    return table.set_axis(ids[table.index.to_numpy()], axis=0)


def _floors(explanation: Explanation) -> list[str]:
    return [floor for floor in FLOORS if floor in explanation.facts["methods"]]


def _by_region(explanation: Explanation, shown: str) -> dict[str, pd.Series]:
    if not explanation.has("regions"):
        return {}
    table, found = explanation.table("regions"), {}
    for region in REGIONS:
        for method in (shown, *_floors(explanation)):
            rows = table[(table["region"] == region) & (table["method"] == method)].set_index("image")
            found[f"share:{region}" if method == shown else f"share:{region}:{method}"] = rows["share"]
            if method == shown:
                found[f"area:{region}"] = rows["area"]
    return found


def changes(explanation: Explanation) -> pd.DataFrame:
    """Accuracy of changed images: figure (`changed:CHANGE`, `changed:CHANGE:LABEL`), value, low, high."""
    if not explanation.has("changes"):
        return pd.DataFrame(columns=["figure", "value", "low", "high"])
    table = explanation.table("changes")
    names = [change_figure(change, label) for change, label in zip(table["change"], table["label"], strict=True)]
    return table.rename(columns={"accuracy": "value"})[["value", "low", "high"]].assign(figure=names)


def change_figure(change: str, label: str = OWN) -> str:
    """`changed:clutter alone`; of the label of another's meadow `changed:on another's meadow:meadow`."""
    return f"changed:{change}" if label == OWN else f"changed:{change}:{label}"


def changed(explanation: Explanation) -> dict[str, pd.Series]:
    """Whether each image's prediction is right under each change, by its id; the names as in `changes`."""
    if not explanation.has("changed"):
        return {}
    groups = explanation.table("changed").groupby(["change", "label"], sort=False)
    return {change_figure(*keys): rows.set_index("id")["correct"].astype(float) for keys, rows in groups}


def curve(explanations: Sequence[Explanation], definition: str, name: str, method: str) -> pd.DataFrame:
    """A mean curve over runs: the index is the share of pixels; mean, low, high.

    The band is the stored interval over images for one run, else a standard deviation over runs.
    """
    found = []
    for explanation in explanations:
        table = explanation.table("curves")
        rows = table[(table["definition"] == definition) & (table["curve"] == name) & (table["method"] == method)]
        found.append(rows.set_index("share")[["mean", "low", "high"]].sort_index())
    if len(found) == 1:
        return found[0]
    means = pd.concat([table["mean"] for table in found], axis=1, join="inner")
    mean, spread = means.mean(axis=1), means.std(axis=1, ddof=1)
    return pd.DataFrame({"mean": mean, "low": (mean - spread).clip(lower=0), "high": (mean + spread).clip(upper=1)})


def with_any(explanations: Explained) -> dict[str, list[Explanation]]:
    """The methods that were explained."""
    return {name: list(made) for name, made in explanations.items() if made}
