"""Small explanations written by hand, and the table of separation that a small audit lacks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_samples

from spacewise import files
from spacewise.audits import Audit
from spacewise.explain.stored import Explanation, open_explanation

METHODS = ("gradcam", "random", "centre")
DEFINITIONS = ("accuracy", "probability")
REGIONS = ("clutter", "target", "shadow")
CHANGES = (
    *("as stored", "without shadow", "without clutter", "without target", "clutter alone", "target alone"),
    "on another's meadow",
)


def separated(audit: Audit) -> Audit:
    """The audit with a table `separation` and silhouettes in its samples, by scikit-learn."""
    samples = audit.table("samples")
    test = (samples["part"] == "test").to_numpy()
    labels, rows = samples["target"].to_numpy()[test], []
    for name in audit.facts["spaces"]:
        values = np.asarray(audit.space(name))[test]
        each = silhouette_samples(values, labels)
        samples.loc[test, f"silhouette:{name}"] = each
        row = {"space": name, "dimension": values.shape[1], "n": len(labels), "silhouette": each.mean()}
        row |= {"silhouette_low": each.mean() - 0.05, "silhouette_high": each.mean() + 0.05}
        row |= {"calinski_harabasz": calinski_harabasz_score(values, labels)}
        rows.append(row | {"davies_bouldin": davies_bouldin_score(values, labels), "intra": 1.0, "inter": 2.0})
    files.write_table(audit.folder / "separation.parquet", pd.DataFrame(rows))
    files.write_table(audit.folder / "samples.parquet", samples)
    return audit


def explanation(
    audit: Audit,
    *,
    images: int = 12,
    skill: float = 0.3,
    masks: bool = False,
    methods: Sequence[str] = METHODS,
    bands: int = 1,
    seed: int = 0,
) -> Explanation:
    """An explanation beside the audit, of its first test images. `skill`: how much better its maps are than chance."""
    generator = np.random.default_rng(seed)
    folder = audit.folder.parent / "explanation"
    folder.mkdir(exist_ok=True)
    test = audit.table("samples").query("part == 'test'").head(images)
    samples = test[["id", "target", "prediction", "confidence", "correct"]].reset_index(drop=True)
    tables = {"samples": samples} | _areas(methods, len(samples), skill, generator)
    if masks:
        tables |= _masked(test, methods, skill, generator)
    for name, table in tables.items():
        files.write_table(folder / f"{name}.parquet", table)
    np.save(folder / "pictures.npy", _pictures(len(samples), bands))
    np.save(folder / "maps.npy", _maps(len(methods), len(samples), generator))
    facts = {"run": audit.facts["run"], "weights": "best", "space": "block3", "explained": "predicted"}
    facts |= {"classes": audit.classes, "methods": list(methods), "definitions": list(DEFINITIONS), "steps": 10}
    facts |= {"seed": 0, "images": len(samples), "size": 32, "regions": list(REGIONS) if masks else []}
    files.write_json(folder / "explanation.json", facts | {"masks": "masks" if masks else None})
    return open_explanation(folder)


def _areas(
    methods: Sequence[str], number: int, skill: float, generator: np.random.Generator
) -> dict[str, pd.DataFrame]:
    scores, curves, shares = [], [], np.linspace(0, 1, 11)
    for method in methods:
        gain = {"random": 0.0, "centre": 0.1}.get(method, skill)
        for definition in DEFINITIONS:
            noise = generator.normal(0, 0.05, (2, number))
            areas = {"insertion": 0.45 + gain / 2 + noise[0], "deletion": 0.45 - gain / 2 + noise[1], "tied": 0.3}
            scores.append(pd.DataFrame({"image": range(number), "method": method, "definition": definition} | areas))
            for name, sign in (("insertion", 1), ("deletion", -1)):
                mean = 0.9 * (shares if sign > 0 else 1 - shares) ** np.exp(-sign * 2 * gain)
                ends = {"mean": mean, "low": np.maximum(0, mean - 0.06), "high": np.minimum(1, mean + 0.06)}
                facts = {"method": method, "definition": definition, "curve": name, "share": shares}
                curves.append(pd.DataFrame(facts | ends))
    return {"scores": pd.concat(scores, ignore_index=True), "curves": pd.concat(curves, ignore_index=True)}


def _masked(
    test: pd.DataFrame, methods: Sequence[str], skill: float, generator: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Of all images but the last: those without a mask have no row; the first image's map is zero."""
    kept, regions, changed = np.arange(len(test) - 1), [], []
    for method in methods:
        on_target = np.clip((0.1 if method == "random" else 0.2 + skill) + generator.normal(0, 0.05, len(kept)), 0, 1)
        on_target[0] = np.nan
        shares = {"clutter": (1 - on_target) * 0.8, "target": on_target, "shadow": (1 - on_target) * 0.2}
        for region, area in zip(REGIONS, (0.83, 0.1, 0.07), strict=True):
            rows = {"image": kept, "method": method, "region": region, "share": shares[region], "area": area}
            regions.append(pd.DataFrame(rows))
    for place, change in enumerate(CHANGES):
        for label in ("own", "meadow") if change == CHANGES[-1] else ("own",):
            right = generator.random(len(kept)) < (0.15 if label == "meadow" else 0.95 - 0.1 * place)
            changed.append(
                pd.DataFrame({"id": test["id"].iloc[kept], "change": change, "label": label, "correct": right})
            )
    each = pd.concat(changed, ignore_index=True)
    whole = each.groupby(["change", "label"], sort=False)["correct"].agg(n="size", accuracy="mean").reset_index()
    whole = whole.assign(low=(whole["accuracy"] - 0.1).clip(lower=0), high=(whole["accuracy"] + 0.1).clip(upper=1))
    return {"regions": pd.concat(regions, ignore_index=True), "changed": each, "changes": whole}


def _pictures(number: int, bands: int) -> np.ndarray:
    """Discs on a slope, one place an image."""
    y, x = np.mgrid[:32, :32]
    middles = np.random.default_rng(3).integers(8, 24, (number, 2))
    discs = [40 + 2 * x + 120 * ((x - u) ** 2 + (y - v) ** 2 < 40) for u, v in middles]
    return np.repeat(np.stack(discs)[..., None], bands, axis=3).astype(np.uint8)


def _maps(methods: int, number: int, generator: np.random.Generator) -> np.ndarray:
    """Soft blobs; the last image's map is zero."""
    y, x = np.mgrid[:32, :32]
    middles = generator.integers(4, 28, (methods, number, 2))
    distance = (x - middles[..., :1, None]) ** 2 + (y - middles[..., 1:, None]) ** 2
    maps = np.exp(-distance / 60).astype(np.float32)
    maps[:, -1] = 0
    return maps
