"""What unlabelled images are taken for: pseudo-labels from weak views, aligned and smoothed by a memory.

Source: Li et al., CoMatch (2021), equations 3 to 5 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise.regime import SemiSupervised

EMBEDDING = "embedding"  # the space that is remembered


def aligned(probability: Tensor, means: Tensor) -> Tensor:
    """Distribution alignment: probabilities over the mean that recent batches gave each class, renormalised.

    Args:
        probability: (sample, class).
        means: (batch, class) mean probabilities of the last batches, this one among them.
    """
    even = probability / means.mean(dim=0).clamp(min=1e-6)
    return even / even.sum(dim=1, keepdim=True)


def smoothed(
    probability: Tensor, embedding: Tensor, memory: tuple[Tensor, Tensor], *, share: float, temperature: float
) -> Tensor:
    """Memory smoothing: `share` p + (1 - `share`) A q, with A = softmax over the memory of z . m / temperature.

    Args:
        probability: (sample, class) p.
        embedding: (sample, dimension) z, of unit length.
        memory: embeddings (entry, dimension) m, and what they were taken for (entry, class) q.
    """
    embeddings, targets = memory
    near = (embedding @ embeddings.T / temperature).softmax(dim=1)
    return share * probability + (1 - share) * near @ targets


class PseudoLabels(nn.Module):
    """Both steps with their state: the means of the last batches, and the memory, first in first out.

    All of it is in buffers, and so in the saved state. Processes hold the same, since each is given the global batch.

    Args:
        classes, dimension: of the classifier's space and of the embedding.
        entries: what a batch adds to the memory: labelled and unlabelled images, over all processes.
    """

    means: Tensor
    embeddings: Tensor
    targets: Tensor
    batches: Tensor

    def __init__(self, settings: SemiSupervised, classes: int, dimension: int, entries: int) -> None:
        super().__init__()
        self.settings, self.entries = settings, entries
        self.register_buffer("means", torch.zeros(settings.alignment, classes))
        self.register_buffer("embeddings", torch.zeros(settings.memory * entries, dimension))
        self.register_buffer("targets", torch.zeros(settings.memory * entries, classes))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, weak: Mapping[str, Tensor], labelled: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """Pseudo-labels (sample, class) of a batch of weak views, which joins means and memory; without gradient.

        Args:
            weak: `probability` (sample, class) and, with a memory, `embedding` (sample, dimension) of the weak views.
            labelled: `embedding` (labelled sample, dimension) of the labelled images, with a memory.
            labels: (labelled sample,).
        """
        before = int(self.batches)
        self.batches += 1
        own = self._aligned(weak["probability"].float(), before)
        if not self.settings.memory:
            return own
        embedding, known = (functional.normalize(each[EMBEDDING].float(), dim=1) for each in (weak, labelled))
        full = before >= self.settings.memory
        result = own
        if full:
            memory = (self.embeddings, self.targets)
            share, temperature = self.settings.smoothing, self.settings.temperature
            result = smoothed(own, embedding, memory, share=share, temperature=temperature)
        one_hot = functional.one_hot(labels, own.shape[1]).to(own.dtype)
        self._remember(torch.cat([embedding, known]), torch.cat([own, one_hot]), before)
        return result

    def _aligned(self, probability: Tensor, before: int) -> Tensor:
        length = self.settings.alignment
        if not length:
            return probability
        self.means[before % length] = probability.mean(dim=0)
        return aligned(probability, self.means[: before + 1])

    def _remember(self, embeddings: Tensor, targets: Tensor, before: int) -> None:
        """In the place of the oldest batch."""
        first = before % self.settings.memory * self.entries
        self.embeddings[first : first + self.entries] = embeddings
        self.targets[first : first + self.entries] = targets
