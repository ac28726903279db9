"""One training from its first or its saved step to its end: the loop of every regime."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from spacewise import files
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import state
from spacewise.learn.batches import mixed
from spacewise.learn.global_batch import Gathered
from spacewise.learn.schedule import optimizer as make_optimizer
from spacewise.learn.validation import validate
from spacewise.nets.chain import Chain
from spacewise.objective import Objective
from spacewise.progress import bar
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# shares of the log by name: how many were right, of how many
SHARES = {
    "accuracy": ("correct", "samples"),
    "source_accuracy": ("source_correct", "source_samples"),
    "purity": ("pure", "judged"),
    "coverage": ("confident", "pseudo_labelled"),
    "judged": ("judged", "confident"),
}
SAVE_AFTER = 50.0  # times what the last state cost: at most 2 % of the time goes into states, and a kill loses seconds
BEYOND = 1e6  # a term of this size has left what a network can learn from, also while it is finite


class Logger(Protocol):
    """Whoever wants each epoch's figures: Fabric's TensorBoardLogger, or the user's own."""

    def log_metrics(self, metrics: dict[str, float], step: int) -> None: ...


@dataclass
class Turn:
    """One step of every batch: what is minimised, and by which optimizer. Most trainings have one."""

    objective: Objective
    settings: Any
    optimizer: torch.optim.Optimizer
    wrapped: Any


class Training(ABC):
    """One training from its first or its saved step to its end. A regime says what a step is.

    Args:
        net: whose weights are validated and kept.
        model: what a step calls: it returns the vectors that the objectives read.
        turns: the steps of each batch, each with the modules that it moves.
        frozen: parts that stay as they are, their normalisation too.
    """

    def __init__(
        self,
        net: Chain,
        model: nn.Module,
        turns: Sequence[tuple[Objective, Sequence[nn.Module]]],
        split: Split,
        batches: Any,
        out: Path,
        experiment: Experiment,
        lightning: Fabric,
        logger: Logger | None,
        *,
        frozen: Sequence[nn.Module] = (),
    ) -> None:
        self.net, self.split, self.batches, self.frozen = net, split, batches, frozen
        self.objective = turns[0][0]
        self.out, self.fabric, self.logger = out, lightning, logger
        self.settings: Any = experiment.regime
        self.seed = experiment.seed
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        second = self.settings.model_copy(update={"rate": self.settings.second_rate})
        settings = [self.settings, second][: len(turns)]
        optimizers = [
            make_optimizer((*moved, objective), its, net.given)
            for (objective, moved), its in zip(turns, settings, strict=True)
        ]
        self.model, *wrapped = lightning.setup(model, *optimizers)
        objectives = [objective for objective, _ in turns]
        self.turns = [Turn(*parts) for parts in zip(objectives, settings, optimizers, wrapped, strict=True)]
        for each in objectives:
            each.to(lightning.device)
        self.sums: dict[str, Tensor] = {}
        self.facts: dict[str, Any] = {"epoch": 0, "step": 0, "log": [], "best": None, "seconds": 0.0}
        self.held = ExitStack()  # until the training ends: nobody else is at this run
        if lightning.is_global_zero:
            self.held.enter_context(files.alone(out))
        if (out / state.FILE).is_file():
            self.sums, self.facts = state.restore(out, self.modules, self.optimizers)
            self.sums = {name: value.to(lightning.device) for name, value in self.sums.items()}
        self.saved, self.cost = time.monotonic(), 0.0  # when a state was last saved, and in how many seconds

    @abstractmethod
    def step(self, batch: Any) -> None:
        """One batch: for each turn forward, objective on the global batch, backward, optimizer."""

    @property
    @abstractmethod
    def terms(self) -> list[str]:
        """The columns of the log that the objectives fill, in order."""

    @property
    def modules(self) -> dict[str, Any]:
        return {"net": self.net} | {name: turn.objective for name, turn in zip(("objective", "alternate"), self.turns)}

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {name: turn.optimizer for name, turn in zip(("optimizer", "alternate_optimizer"), self.turns)}

    def run(self) -> None:
        """The whole training.

        Raises:
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is saved.
        """
        with self.held:
            with interruptible() as asked, self.progress() as advance:
                if 0 in self.settings.keep and self.facts["epoch"] == self.facts["step"] == 0:
                    self.write_weights("epoch0", 0)
                while not self.finished():
                    self.epoch(asked, advance)
            if self.fabric.is_global_zero:
                self.finish()
        self.fabric.barrier()

    def finish(self) -> None:
        """What a finished run has besides its state."""
        self.write_log()
        files.write_tensors(self.out / "weights" / "last.safetensors", self.net.state_dict())
        self.record("finished")

    def together(self, *asked: bool) -> list[bool]:
        """What one process is asked to do, all do after the same step."""
        if self.fabric.world_size == 1:
            return list(asked)
        votes = torch.tensor(asked, dtype=torch.float32, device=self.fabric.device)
        counted = cast(Tensor, self.fabric.all_reduce(votes, reduce_op="sum"))
        return [bool(count) for count in counted.tolist()]

    @property
    def due(self) -> bool:
        """Whether it is time for a state, by the clock of the process that writes it."""
        return self.fabric.is_global_zero and time.monotonic() - self.saved > SAVE_AFTER * self.cost

    def epoch(self, interrupted: Callable[[], bool], advance: Callable[[int, str], None]) -> None:
        """The rest of the epoch that the state stands in, its validation and its line of the log."""
        self.model.train()
        for part in self.frozen:
            part.eval()
        for turn in self.turns:
            turn.objective.train()
        number = self.facts["epoch"]
        began = time.monotonic() - self.facts.pop("epoch_seconds", 0.0)
        for batch in self.batches.epoch(number, self.facts["step"]):
            self.step(batch)
            self.facts["step"] += 1
            advance(number * len(self.batches) + self.facts["step"], self.note())
            stop, due = self.together(interrupted(), self.due)
            if stop or due:
                self.save(epoch_seconds=time.monotonic() - began)
            if stop:
                raise KeyboardInterrupt
        self.close_epoch(time.monotonic() - began)

    def share(self, done: int) -> float:
        """How much of the training is done after `done` steps, 0 to 1."""
        return done / (len(self.batches) * self.settings.epochs)

    @property
    def done(self) -> int:
        """Steps since the start."""
        return int(self.facts["epoch"] * len(self.batches) + self.facts["step"])

    def move(self, turn: Turn, total: Tensor) -> None:
        """Backward, and the step of one turn's optimizer; no gradient is left for another's."""
        self.fabric.backward(total)
        turn.wrapped.step()
        for each in self.turns:
            each.wrapped.zero_grad()

    def seed_dropout(self, stage: int) -> None:
        """The same in all processes, since each draws for the whole batch.

        It is what `torch.manual_seed` does, without the stack trace that it keeps for a GPU that is not there.
        """
        seed = mixed(self.seed, stage, self.done, 0)
        torch.default_generator.manual_seed(seed)
        if self.fabric.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def gathered(self, spaces: Mapping[str, Tensor], labels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The global batch: a loss that compares samples sees those of all processes.

        Each process then holds the same loss. The backward pass of the gathering makes up for the mean
        that the data-parallel wrapper takes, so that the gradient is that of one process with the
        global batch.
        """
        if self.fabric.world_size == 1:
            return dict(spaces), labels
        whole = {name: self.gather(values, sync_grads=True) for name, values in spaces.items()}
        return whole, self.gather(labels)

    def gather(self, values: Tensor, *, sync_grads: bool = False) -> Tensor:
        """Rows of all processes, in the order of their ranks."""
        return cast(Tensor, Gathered.apply(values if sync_grads else values.detach()))

    def add(self, **values: Tensor) -> None:
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value.double() if name in self.sums else value.double()

    def close_epoch(self, seconds: float) -> None:
        """Validates, logs, keeps the weights if they are the best so far, and saves the state."""
        number, steps = self.facts["epoch"], len(self.batches)
        row: dict[str, Any] = {"epoch": number + 1, "rate": self.facts["rate"]}
        for name, (right, of) in SHARES.items():
            if right in self.sums and self.sums[of] > 0:
                row[name] = float(self.sums[right] / self.sums[of])
        counted = {"images", "waited", *(name for pair in SHARES.values() for name in pair)}
        terms = ["total", *self.terms]
        more = sorted(self.sums.keys() - {*counted, *terms})
        row |= {name: float(self.sums[name] / steps) for name in [*terms, *more]}
        self.check_finite(row)
        row |= self.fabric.broadcast(self.validate())  # hosts may round differently: one decides
        self.check_finite(row)
        row |= self.costs(seconds)
        self.facts["log"].append(row)
        self.facts["seconds"] += seconds
        self.facts |= {"epoch": number + 1, "step": 0}
        self.sums = {}
        self.keep_best(row)
        if number + 1 in self.settings.keep:
            self.write_weights(f"epoch{number + 1}", number + 1)
        self.save()
        if self.logger is not None and self.fabric.is_global_zero:
            self.logger.log_metrics({k: v for k, v in row.items() if k != "epoch"}, number + 1)

    def costs(self, seconds: float) -> dict[str, float]:
        """What an epoch of so many seconds cost, for its line of the log."""
        return {"seconds": seconds, "images_per_second": float(self.sums["images"]) / seconds}

    def check_finite(self, row: Mapping[str, float]) -> None:
        """Stops before a diverged network is saved over a sound one."""
        bad = [f"{name} is no longer finite" for name, value in row.items() if not np.isfinite(value)]
        lost = [name for name, weight in self.net.named_parameters() if not torch.isfinite(weight).all()][:1]
        bad += [f"{name} is no longer finite" for name in lost]
        far = [(name, value) for name, value in row.items() if "@" in name and BEYOND < abs(value) < np.inf]
        bad += [f"{name} has reached {value:.1e}" for name, value in far]
        if bad:
            raise InputError(
                f"training diverged: {', '.join(bad)} in epoch {row['epoch']}; "
                f"lower {self.rates()} or the weight of the term"
            )

    def rates(self) -> str:
        """The rates of the steps of a batch, as an error names them."""
        second = f" or alternate_rate ({self.settings.second_rate:g})" if len(self.turns) > 1 else ""
        return f"the rate ({self.settings.rate:g}){second}"

    def validate(self) -> dict[str, float]:
        """The figure that chooses."""
        return validate(
            self.net,
            self.objective.spaces,
            self.split,
            self.batches.images,
            shift=self.settings.shift,
            seed=self.seed,
            precision=self.precision,
        )

    @property
    def precision(self) -> str:
        """Of the training: `bf16` or `float32`."""
        return "bf16" if "bf16" in str(self.fabric._precision.precision) else "float32"

    @property
    def chosen_by(self) -> str:
        """How the name of the figure begins that chooses between epochs."""
        return "validation_"

    def keep_best(self, row: Mapping[str, float]) -> None:
        """The higher validation figure wins, then the later epoch: its learning rate has fallen further."""
        figure = next((value for name, value in row.items() if name.startswith(self.chosen_by)), None)
        score, best = figure or 0.0, self.facts["best"]
        if best is None or score >= best["score"]:
            improved = best is None or score > best["score"] or figure is None
            since = row["epoch"] if improved else best["improved"]
            self.facts["best"] = {"epoch": row["epoch"], "score": score, "improved": since}
            self.write_weights("best", row["epoch"])

    def write_weights(self, name: str, epoch: float) -> None:
        """Weights as they are now, under `weights/NAME.safetensors`."""
        if self.fabric.is_global_zero:
            path = self.out / "weights" / f"{name}.safetensors"
            files.write_tensors(path, self.net.state_dict(), {"epoch": epoch})

    def save(self, **more: float) -> None:
        """Writes the state, unless the running epoch has left the finite numbers."""
        began = time.monotonic()
        self.check_finite({"epoch": self.facts["epoch"] + 1} | self.means())
        if self.fabric.is_global_zero:
            state.save(self.out, self.modules, self.optimizers, self.sums, self.facts | more)
            if self.facts["log"] and not more:
                self.write_log()
        self.saved = time.monotonic()
        self.cost = self.saved - began

    def means(self) -> dict[str, float]:
        """The running epoch's sums over its steps so far."""
        return {name: float(value) / max(self.facts["step"], 1) for name, value in self.sums.items()}

    def write_log(self) -> None:
        """The log, whole: also after a kill between the last state and its row."""
        files.write_table(self.out / "log.csv", pd.DataFrame(self.facts["log"]))

    def finished(self) -> bool:
        """All epochs done, or no better validation for `patience` of them."""
        done, best, patience = self.facts["epoch"], self.facts["best"], self.settings.patience
        return done >= self.settings.epochs or bool(patience and best and done - best["improved"] >= patience)

    def record(self, status: str) -> None:
        """Brings `run.json` up to date."""
        best = self.facts["best"]
        facts = files.read_json(self.out / "run.json")
        facts |= {
            "status": status,
            "epochs": self.facts["epoch"],
            "best_epoch": best["epoch"],
            "seconds": round(self.facts["seconds"], 1),
            "precision": str(self.fabric._precision.precision),
        }
        files.write_json(self.out / "run.json", facts)

    def note(self) -> str:
        last = self.facts["log"][-1] if self.facts["log"] else {}
        shown = f"epoch {self.facts['epoch'] + 1}/{self.settings.epochs}"
        figures = [
            f"{name.replace('_', ' ')} {100 * value:.1f} %"
            for name, value in last.items()
            if name.startswith(self.chosen_by)
        ]
        return ", ".join([shown, *figures])

    @contextmanager
    def progress(self) -> Iterator[Callable[[int, str], None]]:
        """A bar over all steps, on the first process."""
        total = len(self.batches) * self.settings.epochs
        with bar() as shown:
            task = shown.add_task(self.out.name, total=total, note="", visible=self.fabric.is_global_zero)
            yield lambda done, note: shown.update(task, completed=done, note=note)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are noted, and met after the step in flight."""
    asked: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {number: signal.signal(number, lambda got, _frame: asked.append(got)) for number in signals}
    except ValueError:  # not the main thread: whoever runs this decides
        yield lambda: False
        return
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
