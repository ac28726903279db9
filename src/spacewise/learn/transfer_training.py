"""What a step of the transfer regime is: labelled samples of two domains, and the target's without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spacewise.experiment import Experiment
from spacewise.learn.batches import mixed
from spacewise.learn.embed import Selected
from spacewise.learn.global_batch import Share
from spacewise.learn.processes import share
from spacewise.learn.schedule import set_rate
from spacewise.learn.streams import Step, Streams
from spacewise.learn.training import Logger, Training
from spacewise.nets.y_shaped import YShaped
from spacewise.objective import Objective
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ALWAYS = ("classifier", "probability")  # what accuracy and pseudo-labels are read from


class Both(nn.Module):
    """Both branches in one pass: spaces by name for each domain that has images."""

    def __init__(self, net: YShaped, spaces: Sequence[str], share: Share) -> None:
        super().__init__()
        self.net = net
        watched = [name for name in ALWAYS if name not in spaces]
        self.branches = {name: Selected(net.branch(name), spaces, watched, share) for name in ("source", "target")}

    def forward(self, source: Tensor | None, *target: Tensor) -> dict[str, dict[str, Tensor]]:
        found = {"target": self.branches["target"](*target)}
        return found if source is None else found | {"source": self.branches["source"](source)}

    def train(self, mode: bool = True) -> Both:
        """Also of the branches, which are no submodules: their layers are the network's."""
        super().train(mode)
        for branch in self.branches.values():
            branch.train(mode)
        return self


class TransferTraining(Training):
    """Classification of both domains' labelled samples, then (`alternate`) the alignment of the domains."""

    def __init__(
        self,
        net: YShaped,
        objectives: Sequence[Objective],
        split: Split,
        streams: Streams,
        out: Path,
        experiment: Experiment,
        lightning: Fabric,
        logger: Logger | None,
    ) -> None:
        settings: Any = experiment.regime
        spaces = sorted({space for each in objectives for space in each.spaces})
        held = [settings.freeze, [*settings.freeze, *settings.freeze_alternate]]
        turns = [
            (objective, [part for name, part in net.parts.items() if name not in still])
            for objective, still in zip(objectives, held, strict=False)
        ]
        frozen = [net.parts[name] for name in settings.freeze]
        for part in frozen:
            part.requires_grad_(False)
        super().__init__(
            net,
            Both(net, spaces, share(lightning)),
            turns,
            split,
            streams,
            out,
            experiment,
            lightning,
            logger,
            frozen=frozen,
        )

    @property
    def terms(self) -> list[str]:
        return [name for turn in self.turns for name in turn.objective.names_across(sources=self.settings.batch > 0)]

    def step(self, batch: Step) -> None:
        done = self.done
        for number, turn in enumerate(self.turns):
            rate = set_rate(turn.optimizer, turn.settings, self.share(done))
            self.seed_dropout((5, 9)[number])
            turn.objective.reseed(mixed(self.seed, 12, number, done))
            spaces, labels = self.both(batch, unlabelled=turn.objective.aligns)
            total, terms = turn.objective.across(spaces["source"], spaces["target"], labels)
            self.move(turn, total)
            self.add(**terms)
            if number == 0:
                self.facts["rate"] = rate
                self.add(total=total.detach(), images=labels[0].new_tensor(sum(map(len, labels))))
                self.count(spaces, labels)

    def both(self, batch: Step, *, unlabelled: bool) -> tuple[dict[str, dict[str, Tensor]], tuple[Tensor, Tensor]]:
        """Spaces and labels of both domains on the global batch; the target's unlabelled samples where asked for."""
        taken = [batch.target, *([batch.unlabelled] if unlabelled and batch.unlabelled else [])]
        images, known_or_not = zip(*(self.on_device(values) for values in taken), strict=True)
        labels = torch.cat(known_or_not)
        theirs, known = self.on_device(batch.source) if batch.source else (None, labels[:0])
        found = self.model(theirs, *images)
        target, labels = self.gathered(found["target"], labels)
        if "source" not in found:
            return {"source": {}, "target": target}, (known, labels)
        source, known = self.gathered(found["source"], known)
        return {"source": source, "target": target}, (known, labels)

    def on_device(self, values: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        images, labels = values
        return images.to(self.fabric.device, non_blocking=True), labels.to(self.fabric.device, non_blocking=True)

    def count(self, spaces: Mapping[str, Mapping[str, Tensor]], labels: tuple[Tensor, Tensor]) -> None:
        """How many labelled samples of each domain the network takes for what they are."""
        for prefix, domain, mine in (("source_", "source", labels[0]), ("", "target", labels[1])):
            known = mine >= 0
            if not known.any():
                continue
            right = (spaces[domain]["classifier"].argmax(dim=1) == mine) & known
            self.add(**{f"{prefix}correct": right.sum(), f"{prefix}samples": known.sum()})
