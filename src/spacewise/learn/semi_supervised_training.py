"""What a step of the semi-supervised regime is: a few labelled images, and many without labels in several views.

Source: Li et al., CoMatch (2021), algorithm 1; FixMatch (Sohn et al. 2020) is the same without alignment and memory.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spacewise import files
from spacewise.augment import AUGMENTATIONS
from spacewise.experiment import Experiment
from spacewise.learn.average import Average
from spacewise.learn.batches import generator
from spacewise.learn.embed import Selected
from spacewise.learn.prepare import seen_images
from spacewise.learn.processes import share
from spacewise.learn.pseudo_labels import EMBEDDING, PseudoLabels
from spacewise.learn.schedule import set_rate
from spacewise.learn.streams import Stream
from spacewise.learn.training import Logger, Training
from spacewise.learn.validation import validate
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective, Unlabelled
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batch = tuple[Tensor, Tensor]  # stored images (sample, band, height, width), labels (sample,)
Spaces = dict[str, Tensor]
GIVEN = -2  # in place of the label of a labelled image among the unlabelled: its pseudo-label is not counted
ESTIMATE = 2000  # training images that the averaged network's normalisation is estimated on


@dataclass(frozen=True)
class Step:
    """What one step takes, as stored; the labels of the unlabelled images, where known, are for counting alone."""

    labelled: Batch
    unlabelled: Batch | None


class Pair:
    """The streams of labelled and unlabelled images, `steps` steps an epoch; `waited` is the time that they took."""

    def __init__(self, labelled: Stream, unlabelled: Stream | None, steps: int) -> None:
        self.labelled, self.unlabelled, self.steps = labelled, unlabelled, steps
        self.images = labelled.images
        self.waited = 0.0

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.steps

    def epoch(self, number: int, start: int = 0) -> Iterator[Step]:
        """The steps of epoch `number`, from step `start`."""
        for step in range(number * self.steps + start, (number + 1) * self.steps):
            began = time.perf_counter()
            taken = Step(self.labelled.at(step), self.unlabelled.at(step) if self.unlabelled else None)
            self.waited = time.perf_counter() - began
            yield taken


class SemiSupervisedTraining(Training):
    """Labelled images teach the classifier; weak views of the others make pseudo-labels, which teach strong views."""

    def __init__(
        self,
        net: Chain,
        objective: Objective,
        split: Split,
        batches: Pair,
        out: Path,
        experiment: Experiment,
        lightning: Fabric,
        logger: Logger | None,
    ) -> None:
        settings: Any = experiment.regime
        sizes = output_sizes(net)
        entries = settings.batch * (1 + settings.mu)
        dimension = sizes[EMBEDDING][0] if settings.memory and settings.mu else 0
        self.pseudo_labels = PseudoLabels(settings, sizes["classifier"][0], dimension, entries).to(lightning.device)
        self.average = Average(net, settings.average).to(lightning.device) if settings.average else None
        self.augmentation = AUGMENTATIONS[settings.augmentation]
        watched = ["classifier", "probability", *([EMBEDDING] if dimension else [])]
        watched = [name for name in watched if name not in objective.spaces]
        model = Selected(net, objective.spaces, watched, share(lightning))
        super().__init__(net, model, [(objective, [net])], split, batches, out, experiment, lightning, logger)

    def step(self, batch: Step) -> None:
        (turn,) = self.turns
        self.facts["rate"] = set_rate(turn.optimizer, turn.settings, self.share(self.done))
        began = time.perf_counter()
        views, labels, hidden = self.views(batch)
        waited = self.batches.waited + time.perf_counter() - began
        self.seed_dropout(5)
        seen = self.see(views)
        labels = self.whole(labels)
        unlabelled = self.unlabelled(seen, labels)
        total, terms = turn.objective.over_views(seen["labelled"], labels, unlabelled)
        self.move(turn, total)
        if self.average:
            self.average.follow(self.net)
        self.add(**terms, total=total.detach(), waited=total.new_tensor(waited))
        self.count(seen["labelled"], labels, unlabelled, hidden)

    def unlabelled(self, seen: Mapping[str, Spaces], labels: Tensor) -> Unlabelled:
        """Strong views, and the pseudo-labels that the weak ones make."""
        if "weak" not in seen:
            none = labels.new_zeros(0, dtype=torch.bool)
            return Unlabelled({}, {}, torch.zeros(0, 0, device=labels.device), none, none)
        targets = self.pseudo_labels(seen["weak"], seen["labelled"], labels)
        largest = targets.amax(dim=1)
        confident, chosen = largest >= self.settings.threshold, largest >= self.settings.confidence
        return Unlabelled(seen.get("first", {}), seen.get("second", {}), targets, confident, chosen)

    def views(self, batch: Step) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Images by view on the device, labels of the labelled ones, and those of the unlabelled, to count by."""
        device = self.fabric.device
        images, labels = (values.to(device, non_blocking=True) for values in batch.labelled)
        found = {"labelled": self.view("labelled", images)}
        if batch.unlabelled is None:
            return found, labels, labels[:0]
        images, hidden = (values.to(device, non_blocking=True) for values in batch.unlabelled)
        for name in ("weak", "first", "second")[: 1 + self.objective.strong_views]:
            found[name] = self.view(name, images)
        if not self.settings.normalise:
            found["second"] = self.as_if_not_normalised(found["second"])
        return found, labels, hidden

    def view(self, name: str, images: Tensor) -> Tensor:
        """One view of this process's images; drawn for all processes, so that their number does not matter."""
        rank, processes = self.fabric.global_rank, self.fabric.world_size
        mine = slice(rank * len(images), (rank + 1) * len(images))
        number = ("labelled", "weak", "first", "second").index(name)
        random = generator(self.seed, 13, number, self.done)
        drawn: Tensor = getattr(self.augmentation, name)(images, len(images) * processes, mine, random)
        return drawn

    def as_if_not_normalised(self, images: Tensor) -> Tensor:
        """What comes out of the network's own normalisation as pixels from 0 to 1: a fault of a released code."""
        preprocess = self.net.preprocess
        return images.float() / 255 * preprocess.deviation[:, None, None] + preprocess.mean[:, None, None]

    def see(self, views: Mapping[str, Tensor]) -> dict[str, Spaces]:
        """Spaces of the global batch by view, after one forward pass: normalisation sees all views together."""
        kinds = {images.dtype for images in views.values()}
        images = [each if len(kinds) == 1 else each.float() for each in views.values()]
        spaces = self.model(*images)
        lengths = [len(each) for each in images]
        parts = {name: values.split(lengths) for name, values in spaces.items()}
        return {
            view: {name: self.whole(pieces[number], sync_grads=True) for name, pieces in parts.items()}
            for number, view in enumerate(views)
        }

    def whole(self, values: Tensor, *, sync_grads: bool = False) -> Tensor:
        """Rows of all processes: every loss, bank and mean sees the global batch."""
        return values if self.fabric.world_size == 1 else self.gather(values, sync_grads=sync_grads)

    def count(self, labelled: Spaces, labels: Tensor, unlabelled: Unlabelled, hidden: Tensor) -> None:
        """How many labelled images are recognised, and how many pseudo-labels are confident, and right."""
        hidden = self.whole(hidden)
        right = labelled["classifier"].argmax(dim=1) == labels
        self.add(correct=right.sum(), samples=labels.new_tensor(len(labels)))
        self.add(images=labels.new_tensor(len(labels) + len(hidden)))
        if not len(hidden):
            return
        without, known = hidden != GIVEN, hidden >= 0
        confident = unlabelled.confident & without
        pure = confident & (unlabelled.targets.argmax(dim=1) == hidden)
        self.add(confident=confident.sum(), pseudo_labelled=without.sum(), pure=pure.sum())
        self.add(judged=(confident & known).sum())

    @property
    def terms(self) -> list[str]:
        return [term.name for term in self.objective.terms]

    @property
    def modules(self) -> dict[str, Any]:
        more = {"pseudo_labels": self.pseudo_labels} | ({"average": self.average} if self.average else {})
        return super().modules | more

    @property
    def chosen_by(self) -> str:
        return f"{self.settings.choose}_"

    def validate(self) -> dict[str, float]:
        """Accuracy of the trained and of the averaged network on the part that chooses."""
        split = self.split
        if self.settings.choose == "test":
            split = replace(split, validation=split.test)
        asked = {"shift": self.settings.shift, "seed": self.seed, "precision": self.precision}
        found = validate(self.net, self.objective.spaces, split, self.batches.images, **asked)
        found = {name.replace("validation", self.settings.choose): value for name, value in found.items()}
        if self.average:
            self.settle()
            its = validate(self.average.net, self.objective.spaces, split, self.batches.images, **asked)
            found |= {name.replace("validation", "averaged"): value for name, value in its.items()}
        return found

    def settle(self) -> None:
        """Brings the statistics of the averaged network's normalisation up to date."""
        if self.average is None:
            return
        self.average.copy_statistics(self.net)  # also what no layer of normalisation holds
        if self.settings.statistics == "estimated":
            self.average.estimate_statistics(self.batches_to_estimate(), self.precision)

    def batches_to_estimate(self) -> Iterator[Tensor]:
        """Training images in batches of nearly one size, classes mixed: each batch weighs the same."""
        part = seen_images(self.settings, self.split)
        rows = torch.from_numpy(part.rows[:: -(-len(part) // ESTIMATE)])
        mixed_up = rows[torch.randperm(len(rows), generator=generator(self.seed, 14))]
        for chosen in mixed_up.tensor_split(-(-len(rows) // 256)):
            yield self.batches.images.index_select(0, chosen)

    def costs(self, seconds: float) -> dict[str, float]:
        shown = super().costs(seconds)
        shown["data_share"] = float(self.sums["waited"]) / seconds
        return shown | {"peak_memory_mb": peak_memory(self.fabric.device)}

    def finish(self) -> None:
        if self.average:
            files.write_tensors(self.out / "weights" / "averaged.safetensors", self.average.net.state_dict())
        super().finish()


def peak_memory(device: torch.device) -> float:
    """Megabytes that this process held at most: on its GPU, or in all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024e-3  # of 1,024 bytes
