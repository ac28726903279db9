"""A run's folder: create, read back.

experiment.yaml      from which the run follows
run.json             where it stands, what made it
split.parquet        every sample's part and facts; source_split.parquet: those of a transfer's source
log.csv              one row an epoch
state.safetensors    everything that resuming needs
weights/             best.safetensors (by validation), last.safetensors, epoch5.safetensors of kept epochs
audit/, report.html  what was measured
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from spacewise import files
from spacewise.describe import description
from spacewise.errors import InputError, unknown
from spacewise.experiment import Experiment, read
from spacewise.nets.chain import Chain
from spacewise.splits import Split

WEIGHTS = ("best", "last")
TORCHRUN = "TORCHELASTIC_RUN_ID"  # its name for the job, in the environment
JOB = "job"  # in run.json: the torchrun job that made the run, which goes on with it when it is restarted


@dataclass
class Run:
    """A trained (or interrupted) network with all that belongs to it.

    Attributes:
        net: the chain, with the weights named by `weights`.
        split: the parts of its source; read again from the data when the run was opened from disk.
        origin: of a transfer: the parts of the labelled source; `split` is the target's.
    """

    folder: Path
    experiment: Experiment
    net: Chain
    split: Split
    weights: str = "best"
    origin: Split | None = None

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def facts(self) -> dict[str, Any]:
        """`run.json`."""
        return read_facts(self.folder)

    @property
    def log(self) -> pd.DataFrame:
        """One row an epoch."""
        if not (self.folder / "log.csv").is_file():
            raise InputError(f"{self.folder} has no log.csv: no epoch is finished")
        return pd.read_csv(self.folder / "log.csv")

    def load(self, weights: str) -> None:
        """Puts the `best`, the `last`, the `averaged` or a kept epoch's (`epoch5`) weights into the network."""
        path = weights_file(self.folder, self.experiment, weights)
        tensors, _ = files.read_tensors(path)
        load_weights(self.net, tensors, path)
        self.weights = weights


def weights_file(folder: Path, experiment: Experiment, weights: str) -> Path:
    """The file of a run's `best`, `last`, `averaged` or kept weights; `InputError` where there is none."""
    kept = [f"epoch{epoch}" for epoch in experiment.regime.keep]
    averaged = ["averaged"] if getattr(experiment.regime, "average", 0) else []
    if weights not in (names := (*WEIGHTS, *averaged, *kept)):
        raise unknown("weights", weights, names)
    path = folder / "weights" / f"{weights}.safetensors"
    if not path.is_file():
        raise InputError(f"{folder} has no {weights} weights{_instead(folder)}")
    return path


def _instead(folder: Path) -> str:
    """What to do about weights that are not there."""
    if status(folder) == "finished":  # earlier than was planned, or a network made elsewhere
        names = sorted(path.stem for path in (folder / "weights").glob("*.safetensors"))
        return f"; it has: {', '.join(names)}" if names else f": {folder / 'weights'} holds none"
    return f": its training is not finished; continue it with: spacewise train --resume {folder}"


def load_weights(net: Chain, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Fills a network; raises `InputError` when the names or shapes are not its own."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as trained: the same bits
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the network: {' '.join(str(error).split())}") from error


def open_run(folder: Path | str, *, net: Chain | None = None, weights: str = "best") -> Run:
    """Reads a run back.

    Args:
        folder: the run's folder.
        net: the network, where it was made in Python and not by name.
        weights: `"best"`, `"last"`, or a kept epoch's, `"epoch5"`.

    Raises:
        InputError: no run is there, its data are gone or have changed, or the network must be given.
    """
    folder = Path(folder)
    experiment = read_experiment(folder)
    split, origin = experiment.splits()
    check_data(folder, split, origin)
    if net is None:
        _refuse_custom(folder, experiment)
        net = experiment.chain(split, origin, empty=True)
    run = Run(folder, experiment, net, split, weights, origin)
    run.load(weights)
    return run


def open_net(folder: Path | str, *, weights: str = "best") -> tuple[Chain, tuple[str, ...]]:
    """The network of a run and its classes, from the run's folder alone: its data may be gone.

    Raises:
        InputError: no run is there, its network was made in Python, or there are no such weights.
    """
    folder = Path(folder)
    experiment, facts = read_experiment(folder), read_facts(folder)
    _refuse_custom(folder, experiment)
    path = weights_file(folder, experiment, weights)
    tensors, _ = files.read_tensors(path)
    # the statistics of the pixels, one number a band
    bands = {name: len(tensors[key]) for name in ("", "source_") if (key := f"{name}preprocess.mean") in tensors}
    if "" not in bands:
        raise InputError(f"{path} does not fit the network: it holds no preprocess.mean")
    net = experiment.build(len(facts["classes"]), bands[""], bands.get("source_"), empty=True)
    load_weights(net, tensors, path)
    return net, tuple(facts["classes"])


def _refuse_custom(folder: Path, experiment: Experiment) -> None:
    if experiment.net.name == "custom":
        raise InputError(f"{folder}: its network was made in Python; open it with open_run(folder, net=…)")


def check_data(folder: Path, split: Split, origin: Split | None = None) -> None:
    """Raises `InputError` when a run's splits are no longer what they were."""
    facts = read_facts(folder)
    for key, parts in {"split": split, "source_split": origin}.items():
        now = parts.digest() if parts else None
        if facts.get(key) != now:
            raise InputError(
                f"{folder}: its data have changed: the {key.replace('_', ' ')} was {facts.get(key)} and is now {now} "
                f"(compare {folder / f'{key}.parquet'})"
            )


def read_facts(folder: Path) -> dict[str, Any]:
    """`run.json`; raises `InputError` when it is missing, damaged or something else."""
    facts = files.read_json(folder / "run.json")
    if not isinstance(facts, dict) or not {"status", "split"} <= facts.keys():
        raise InputError(f"{folder / 'run.json'} is not the record of a run")
    return facts


def status(folder: Path) -> str:
    """`training` or `finished`."""
    return str(read_facts(folder)["status"])


def read_experiment(folder: Path) -> Experiment:
    """The experiment of a run's folder."""
    if not (folder / "experiment.yaml").is_file():
        missing = "does not exist" if not folder.exists() else "holds no experiment.yaml"
        raise InputError(f"{folder} is no run: it {missing}")
    return read(folder / "experiment.yaml")


def create(
    folder: Path,
    experiment: Experiment,
    split: Split,
    leaks: list[str],
    *,
    origin: Split | None = None,
    skipped: str = "",
    unused: int = 0,
) -> None:
    """Makes a run's folder, complete with experiment and split, in one step.

    Args:
        leaks: what parts share, one line each.
        skipped: which unlabelled images are not used, in one line; `unused`: how many.

    Raises:
        InputError: the folder exists, or cannot be written.
    """
    if folder.exists():
        raise InputError(occupied(folder))
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        files.write_text(partial / "experiment.yaml", experiment.yaml())
        files.write_table(partial / "split.parquet", split.table())
        if origin:
            files.write_table(partial / "source_split.parquet", origin.table())
        given = experiment.net.options.get("weights")
        facts = first_facts(split, leaks, origin) | ({"skipped": skipped, "unused": unused} if skipped else {})
        facts |= {"given_weights": file_digest(Path(given))} if given else {}
        files.write_json(partial / "run.json", facts)
        partial.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def file_digest(path: Path) -> str:
    """What a file holds, in 16 letters: of weights, a path alone would not tell which."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def occupied(folder: Path) -> str:
    """What to say of a folder that is already there."""
    if not (folder / "run.json").is_file():
        return f"{folder} already exists and is no run; give another --out"
    if status(folder) == "finished":
        return f"{folder} already holds a finished run; give another --out"
    return f"{folder} already holds an unfinished run; continue it with: spacewise train --resume {folder}"


def first_facts(split: Split, leaks: list[str], origin: Split | None = None) -> dict[str, Any]:
    """What is known of a run before its first step."""
    from spacewise import __version__

    return {
        "status": "training",
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": " ".join(["spacewise", *sys.argv[1:]])
        if sys.argv[0].endswith(("spacewise", "spacewise/__main__.py"))
        else sys.argv[0],
        "split": split.digest(),
        "samples": {name: len(part) for name, part in split.parts.items()},
        **(_of_source(split, origin) if origin else {}),
        **({"transductive": split.transductive} if len(split.unlabelled) else {}),
        "classes": list(split.classes),
        "fit": split.source.fit,
        "leaks": leaks,
        **({JOB: os.environ[TORCHRUN]} if TORCHRUN in os.environ else {}),
        "spacewise": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
    }


def _of_source(split: Split, origin: Split) -> dict[str, Any]:
    return {"source_split": origin.digest(), "source_samples": len(origin.train), "untaught": untaught(split)}


def untaught(split: Split) -> list[str]:
    """Classes that are tested, and of which no training sample has a label."""
    return sorted(set(split.test.facts["label"]) - set(split.train.facts["label"]))


def commit() -> str:
    """The commit of the code that runs, with `+` when it has been changed; empty outside a checkout."""
    here = Path(__file__).parent
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return shown.stdout.strip()


def describe(
    net: Chain, objective: list[str], split: Split, regime: Any, seed: int, *, origin: Split | None = None
) -> Experiment:
    """The experiment that objects made in Python amount to."""
    data = {"source": description(split.source), "split": description(split)}
    domains = {"data": data}
    if origin:
        domains = {"data": {"source": description(origin.source), "split": description(origin)}, "target": data}
    return Experiment(
        **domains,
        net={**description(net), "size": net.size},
        objective=objective,
        regime=regime,
        seed=seed,
    )
