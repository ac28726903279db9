"""What a transfer has made of two domains: how well each is told apart, and how they lie in each space."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed
from spacewise.measures.accuracy import accuracy
from spacewise.measures.domains import domain_distance, domain_distances, separability
from spacewise.nets.y_shaped import YShaped
from spacewise.progress import track
from spacewise.runs import Run
from spacewise.splits import Part

Spaces = dict[str, np.ndarray]
FOLDS = 5  # of the probe; a domain needs a sample for each
TABLES = ("domain_accuracy", "domains", "domain_classes")


def both_domains(run: Run, spaces: Sequence[str] = ()) -> tuple[Spaces, Spaces, Part, Part]:
    """The test images of the source and of the target in every space, each through its own branch.

    Args:
        spaces: those that are wanted; all by default.

    Returns:
        Spaces (sample, dimension) of the source's and of the target's test part, and those parts.

    Raises:
        InputError: the run is of one domain.
    """
    if run.origin is None or not isinstance(run.net, YShaped):
        raise InputError(f"{run.folder} was trained on one domain: there is no other to compare it with")
    parts = {"source": run.origin.test, "target": run.split.test}
    found = {}
    for name, part in parts.items():
        branch = run.net.branch(name)
        images = decoded(part.source, branch.size).images
        found[name] = embed(branch, in_order(images, part), [*(spaces or branch.spaces)])
    return found["source"], found["target"], parts["source"], parts["target"]


def transfer_tables(
    source: Spaces, target: Spaces, source_part: Part, target_part: Part, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """What a transfer is asked, of the test images of both domains; arguments as `both_domains` returns them.

    Args:
        seed: of bootstrap, probes and projections.

    Returns:
        `domain_accuracy`: one row a domain: domain, samples, accuracy, low, high.
        `domains`: one row a space that has one dimension in both branches: space, separability, low, high, distance
        (over all samples), class_distance (mean over classes), matched (share of classes whose nearest class in the
        target is itself).
        `domain_classes`: one row a (space, class): see `measures.domains.domain_distances`.
    """
    pairs = (("source", source, source_part), ("target", target, target_part))
    rows = [_accuracy(name, found["classifier"], part, seed) for name, found, part in pairs]
    shared = [name for name in source if name in target and source[name].shape[1] == target[name].shape[1]]
    whole, classes = [], []
    for name in track(shared, "comparing the domains", len(shared)):
        one, other = source[name], target[name]
        by_class = domain_distances(one, source_part.labels, other, target_part.labels, target_part.classes, seed=seed)
        row = {"space": name, **_probed(one, other, seed)}
        row["distance"] = domain_distance(one, other, seed=seed)
        row |= {"class_distance": by_class["distance"].mean(), "matched": by_class["matched"].astype(float).mean()}
        whole.append(row)
        classes.append(by_class.assign(space=name))
    return {
        "domain_accuracy": pd.DataFrame(rows),
        "domains": pd.DataFrame(whole),
        "domain_classes": pd.concat(classes, ignore_index=True),
    }


def _probed(source: np.ndarray, target: np.ndarray, seed: int) -> dict[str, float]:
    """How well a probe tells the domains apart; NaN where one has too few samples to ask."""
    if min(len(source), len(target)) < FOLDS:
        return dict.fromkeys(("separability", "low", "high"), float("nan"))
    probe = separability(source, target, folds=FOLDS, seed=seed)
    return {"separability": probe.accuracy, "low": probe.low, "high": probe.high}


def _accuracy(domain: str, logits: np.ndarray, part: Part, seed: int) -> dict[str, float | str]:
    table = accuracy(logits.argmax(axis=1), part.labels, seed=seed)
    row = table[table["subset"] == "overall"].iloc[0]
    return {"domain": domain, "samples": len(part), **{name: float(row[name]) for name in ("accuracy", "low", "high")}}


def measured_transfer(run: Run, spaces: Sequence[str]) -> dict[str, pd.DataFrame]:
    """`transfer_tables` of a run, kept in its folder: read back where they are of the same weights and spaces."""
    folder = run.folder / "transfer"
    asked = {"weights": run.weights, "spaces": [*spaces]}
    if (folder / "asked.json").is_file() and files.read_json(folder / "asked.json") == asked:
        return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    tables = transfer_tables(*both_domains(run, [*dict.fromkeys([*spaces, "classifier"])]))
    partial = folder.with_name(".transfer.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, table in tables.items():
        files.write_table(partial / f"{name}.parquet", table)
    files.write_json(partial / "asked.json", asked)
    files.replace_folder(partial, folder)
    return tables
