"""From stored pixels to what the first layer sees."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spacewise.errors import InputError, unknown
from spacewise.sources.source import AMPLITUDES


class Preprocess(nn.Module):
    """(root of the magnitude, for radar) minus the mean, over the deviation, by band.

    The square root of the magnitude is the input of Wang et al. (section III-A). Mean and deviation are
    those of the training images; they are buffers, so that they are saved with the weights and other
    data is seen in the same way. Fresh, it changes nothing but the type.
    """

    mean: Tensor
    deviation: Tensor
    root: Tensor

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("deviation", torch.ones(bands))
        self.register_buffer("root", torch.zeros((), dtype=torch.bool))

    def forward(self, images: Tensor) -> Tensor:
        """(sample, band, height, width) of any type to float32; `InputError` for other bands."""
        if images.ndim != 4 or images.shape[1] != len(self.mean):
            raise InputError(
                f"expected images (sample, {len(self.mean)} bands, height, width), not {tuple(images.shape)}"
            )
        values = images.float()
        if self.root:
            values = values.clamp(min=0).sqrt()
        mean, deviation = self.mean[:, None, None], self.deviation[:, None, None]
        if images.is_floating_point() or mean.dtype != values.dtype:  # not to be written to; gradients; float64
            return (values - mean) / deviation
        return values.sub_(mean).div_(deviation)

    def fit(self, images: Tensor, amplitude: str) -> None:
        """Takes mean and deviation by band from images (sample, band, height, width)."""
        if amplitude not in AMPLITUDES:
            raise unknown("amplitude", amplitude, AMPLITUDES)
        self.root.fill_(amplitude == "magnitude")
        values = images.float()
        if self.root:
            values = values.clamp(min=0).sqrt()
        self.mean.copy_(values.mean(dim=(0, 2, 3)))
        self.deviation.copy_(values.std(dim=(0, 2, 3)).clamp(min=1e-6))
