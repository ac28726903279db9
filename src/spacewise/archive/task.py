"""What an archive is embedded by, and whether a folder of embeddings is of the same."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spacewise import runs
from spacewise.archive.ranks import Rank
from spacewise.archive.recognising import rooted
from spacewise.archive.taking import Takes
from spacewise.errors import InputError
from spacewise.nets.chain import Chain, output_sizes, read_space

LAST = ("classifier", "probability")
CHIPS = ("mstar", "simulated", "simulated-zones", "so2sat")  # sources whose images are cut, not scaled
SAME = ("run", "weights", "digest", "data", "spaces", "size", "fit", "precision", "stride", "listing")


@dataclass(frozen=True)
class Task:
    """A network, and what is asked of it.

    Attributes:
        net: on its device.
        classes: names, where the network tells classes apart; else empty.
        spaces: asked for -> dimension.
        source: name and options of the source that the network was trained on.
        facts: as they stand in the embeddings' `_embeddings.json`.
    """

    net: Chain
    classes: Sequence[str]
    takes: Takes
    spaces: Mapping[str, int]
    source: Mapping[str, Any]
    facts: dict[str, Any]

    @property
    def asked(self) -> list[str]:
        """Spaces that the network is asked for."""
        return [*self.spaces, *(name for name in LAST if self.classes and name not in self.spaces)]


def prepare(
    folder: Path, data: str, out: Path, spaces: Sequence[str], weights: str, stride: int | None, rank: Rank
) -> Task:
    """Builds the network of a run, without its data.

    Raises:
        InputError: no finished run, no such weights or space.
    """
    net, classes = runs.open_net(folder, weights=weights)
    facts, experiment = runs.read_facts(folder), runs.read_experiment(folder)
    if "best_epoch" not in facts:
        raise InputError(f"{folder}: its training is not finished; continue it with: spacewise train --resume {folder}")
    source = (experiment.target or experiment.data).source
    takes = Takes(net.bands, net.size, _fit(folder, facts, source.name))
    named = dimensions(net, spaces or [default_space(net)])
    known = "classifier" in net.spaces and output_sizes(net)["classifier"] == (len(classes),)
    device = torch.device("cuda", rank.local % torch.cuda.device_count()) if torch.cuda.is_available() else "cpu"
    made = {
        "command": command(folder, data, out, spaces, weights, stride),
        "run": str(folder.absolute()),
        "weights": weights,
        "digest": runs.file_digest(runs.weights_file(folder, experiment, weights)),
        "data": rooted(data),
        "spaces": named,
        "size": takes.size,
        "fit": takes.fit,
        "amplitude": "magnitude" if bool(net.preprocess.root) else "intensity",
        "precision": "bf16" if "bf16" in facts["precision"] else "float32",
        "classes": list(classes) if known else [],
        "commit": runs.commit(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }
    return Task(net.to(device), classes if known else (), takes, named, {"name": source.name, **source.options}, made)


def default_space(net: Chain) -> str:
    """`embedding`, else `feature`, else the last space that is not of the classes."""
    others = [name for name in net.spaces if name not in LAST] or list(net.spaces)
    return next((name for name in ("embedding", "feature") if name in others), others[-1])


def dimensions(net: Chain, spaces: Sequence[str]) -> dict[str, int]:
    """Space, with or without a reading -> dimension; raises `InputError` for an unknown one."""
    for name in spaces:
        net.check_space(name)
    training = net.training
    with torch.no_grad():
        values = net.eval()(torch.zeros(1, net.bands, net.size, net.size))
    net.train(training)
    return {name: read_space(values, name).shape[1] for name in spaces}


def check_same(out: Path, now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Raises `InputError` where embeddings were made of something else than is asked for now."""
    for key in SAME:
        if key in now and now[key] != then.get(key):
            raise InputError(
                f"{out} holds embeddings of something else: {key} was {then.get(key)} and is now {now[key]}; "
                "give another --out"
            )


def command(folder: Path, data: str, out: Path, spaces: Sequence[str], weights: str, stride: int | None) -> str:
    """What makes them, and goes on with them, as it is typed."""
    words = ["spacewise", "embed", str(folder), data, "--out", str(out)]
    words += [word for name in spaces for word in ("--space", name)]
    words += ["--weights", weights] if weights != "best" else []
    return shlex.join([*words, *(["--stride", str(stride)] if stride else [])])


def _fit(folder: Path, facts: Mapping[str, Any], source: str) -> str:
    """How images of the run's source are brought to size: what the run says, else what its source's name does."""
    if "fit" in facts:
        return str(facts["fit"])
    if source == "custom":
        raise InputError(f"{folder}: run.json does not say how its images were brought to size (fit: crop or resize)")
    return "crop" if source in CHIPS else "resize"
