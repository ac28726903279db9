"""Batch normalisation, or instance normalisation in its place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spacewise.errors import InputError, unknown

NORMALISATIONS = ("batch", "instance")


class InstanceNormalisation(nn.InstanceNorm2d):
    """Each map of each image minus its mean over the positions, over its deviation; then scale and offset.

    Source: Ulyanov et al. (2016), Instance Normalization: The Missing Ingredient for Fast Stylization. No
    image sees the others of its batch, and evaluation is training: no running statistics are kept.
    """

    def __init__(self, replaced: nn.BatchNorm2d) -> None:
        super().__init__(replaced.num_features, replaced.eps, affine=replaced.affine, track_running_stats=False)
        self.load_state_dict(dict(replaced.named_parameters()))

    def forward(self, maps: Tensor) -> Tensor:
        """(sample, channel, height, width) to the same; `InputError` for maps of one position, which become zero."""
        if maps.shape[2:].numel() == 1:
            raise InputError(
                "instance normalisation leaves nothing of maps of 1 x 1; use larger images, "
                "an encoder that makes them smaller less often, or normalisation=batch"
            )
        # torch gives them back contiguous: the next convolution is up to a fifth faster in the layout of the others
        return super().forward(maps).contiguous(memory_format=torch.channels_last)


def normalise(net: nn.Module, normalisation: str, name: str) -> None:
    """Leaves the layers of a network as built (`"batch"`), or puts instance normalisation in their place.

    Scale and offset start where those of the batch normalisation stood.

    Args:
        net: the network, changed in place.
        name: of the network, for the error line.

    Raises:
        InputError: an unknown normalisation; a network that has no batch normalisation, or one whose
            layers do more than normalise.
    """
    if normalisation not in NORMALISATIONS:
        raise unknown("normalisation", normalisation, NORMALISATIONS)
    if normalisation == "batch":
        return
    found = {path: layer for path, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    if not found:
        raise InputError(f"{name} has no batch normalisation to replace; use normalisation=batch for it as it is")
    for path, layer in found.items():
        if type(layer) is not nn.BatchNorm2d:  # timm's also rectify
            raise InputError(f"{name}: '{path}' does more than normalise ({type(layer).__name__}); use another encoder")
        net.set_submodule(path, InstanceNormalisation(layer))
