"""What a step of the supervised regime is: one batch of labelled samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from spacewise.experiment import Experiment
from spacewise.learn.batches import Batches
from spacewise.learn.embed import Selected
from spacewise.learn.processes import share
from spacewise.learn.schedule import forget, set_rate
from spacewise.learn.training import Logger, Training, Turn
from spacewise.nets.chain import Chain
from spacewise.objective import Objective
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class SupervisedTraining(Training):
    """Every turn sees the same batch, after a forward pass of its own."""

    def __init__(
        self,
        net: Chain,
        objectives: Sequence[Objective],
        split: Split,
        batches: Batches,
        out: Path,
        experiment: Experiment,
        lightning: Fabric,
        logger: Logger | None,
    ) -> None:
        spaces = sorted({space for each in objectives for space in each.spaces})
        model = Selected(net, spaces, sorted({"classifier"} & {*net.spaces} - {*spaces}), share(lightning))
        turns = [(objective, [net]) for objective in objectives]
        super().__init__(net, model, turns, split, batches, out, experiment, lightning, logger)

    @property
    def terms(self) -> list[str]:
        return [term.name for turn in self.turns for term in turn.objective.terms]

    def step(self, batch: tuple[Tensor, Tensor]) -> None:
        device = self.fabric.device
        images, labels = (values.to(device, non_blocking=True) for values in batch)
        done = self.done
        for number, turn in enumerate(self.turns):
            self.prepare(turn, done)
            self.seed_dropout((5, 9)[number])
            spaces, whole = self.gathered(self.model(images), labels)
            first = number == 0 and self.share(done) < self.settings.pretrain
            total, terms = turn.objective(spaces, whole, first=first)
            self.move(turn, total)
            self.add(**terms)
            if number == 0:
                self.add(total=total.detach(), images=whole.new_tensor(len(whole)))
            if number == 0 and "classifier" in spaces:
                right = spaces["classifier"].argmax(dim=1) == whole
                self.add(correct=right.sum(), samples=whole.new_tensor(len(whole)))

    def prepare(self, turn: Turn, done: int) -> None:
        """The rate of the coming step; what layers gathered while they were held is forgotten."""
        if done == self.settings.freeze:
            forget(turn.optimizer)
        rate = set_rate(turn.optimizer, turn.settings, self.share(done), hold=done < self.settings.freeze)
        if turn is self.turns[0]:
            self.facts["rate"] = rate
