"""Two encoders, one for each domain, under one embedding and one head.

Source: Rostami et al. (2019), Deep Transfer Learning for Few-Shot SAR Image Classification; sizes are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from spacewise.describe import described, description
from spacewise.errors import InputError, unknown
from spacewise.nets.branch import Branch, branch, build_encoder, encoded_dimension
from spacewise.nets.chain import Chain
from spacewise.nets.preprocess import Preprocess

BRANCHES = ("source", "target")


class YShaped(Branch):
    """Two branches that share `embed` and `head`; called as any chain, it is the branch of the target.

    Attributes:
        source_encoder, source_preprocess: the source's, as `encoder` and `preprocess` are the target's.
    """

    def __init__(self, source: Branch, encoder: Chain) -> None:
        """Takes the source's branch whole, and the target's encoder without head and preprocessing (`bare`).

        Raises:
            InputError: the encoders' last spaces differ in dimension.
        """
        width, other = encoded_dimension(encoder), source.embed.in_features
        if width != other:
            raise InputError(f"the encoders share an embedding, but give {width} and {other} values; make them alike")
        super().__init__(encoder, Preprocess(encoder.bands), source.embed, source.head)
        self.source_encoder, self.source_preprocess = source.encoder, source.preprocess
        self.source_description = description(source)

    def branch(self, name: str) -> Branch:
        """The chain of one domain, `"source"` or `"target"`. It shares this network's layers, and holds no others.

        It is made anew at each call and is no part of this network: every tensor is saved once. Training or
        evaluation is that of this network.

        Raises:
            InputError: another name.
        """
        if name not in BRANCHES:
            raise unknown("branch", name, BRANCHES)
        own = (self.source_encoder, self.source_preprocess) if name == "source" else (self.encoder, self.preprocess)
        made = Branch(*own, self.embed, self.head)
        made.training = self.training
        if name == "source":
            made.description = self.source_description
        return made

    @property
    def parts(self) -> Mapping[str, nn.Module]:
        """What can be held still, by name; together they are all that is learnt."""
        return {"source": self.source_encoder, "target": self.encoder, "embedding": self.embed, "head": self.head}


def start_target_from_source(net: YShaped) -> list[str]:
    """Copies weights, and statistics of the normalisation, of the source's encoder into the target's.

    Returns:
        Names of the target's tensors that have no equal in the source (the first convolution, where the
        bands differ); they stay as they are.
    """
    source, target = net.source_encoder.state_dict(), net.encoder.state_dict()
    fitting = {name for name in target if name in source and source[name].shape == target[name].shape}
    with torch.no_grad():
        for name in fitting:
            target[name].copy_(source[name])
    return [f"encoder.{name}" for name in target if name not in fitting]


@described
def y_shaped(
    classes: int,
    bands: int = 1,
    size: int = 32,
    *,
    encoder: Mapping[str, Any] | str = "resnet20",
    source_bands: int | None = None,
    source_size: int | None = None,
    dimension: int = 64,
    normalisation: str = "batch",
) -> YShaped:
    """Two encoders of one kind under a shared embedding and head.

    Args:
        classes: number of classes, the same in both domains.
        bands: bands of the target's images.
        size: height and width of the target's images in pixels.
        encoder: name of a network, or its name and options: `{"name": "aconvnet", "padding": "same"}`.
        source_bands: bands of the source's images; as the target's, if not given.
        source_size: height and width of the source's images; as the target's, if not given.
        dimension: of the embedding.
        normalisation: of the encoders: `"batch"`, as they are built, or `"instance"`.

    Raises:
        InputError: an unknown encoder, option or normalisation; images too small for the encoder or its
            normalisation; a dimension or bands below 1.
    """
    if source_bands is not None and source_bands < 1:
        raise InputError(f"y-shaped: source_bands must be 1 or more, not {source_bands}")
    of_source = (bands if source_bands is None else source_bands, size if source_size is None else source_size)
    shared = {"encoder": encoder, "dimension": dimension, "normalisation": normalisation}
    source = branch(classes, *of_source, **shared)  # drawn first: the same weights as of a branch by itself
    return YShaped(source, build_encoder(encoder, classes, bands, size, normalisation))
