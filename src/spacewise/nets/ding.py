"""The network that Ding et al. (2016) trained with augmented data.

As far as the description goes: three convolutions, each followed by ReLU and max-pooling, and two fully
connected layers; no normalisation. Kernel sizes and widths are ours.
"""

from __future__ import annotations

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.nets.chain import Chain, Spaces, check_sides, classify

SMALLEST = 48


class DingNet(Chain):
    """Spaces `block1` to `block3` (maps), `feature`, `classifier`, `probability`."""

    spaces = ("block1", "block2", "block3", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int, feature: int) -> None:
        super().__init__(bands, size)
        self.block1 = _block(bands, 16, 5, 3)
        self.block2 = _block(16, 32, 5, 2)
        self.block3 = _block(32, 64, 3, 2)
        side = (((size - 4) // 3 - 4) // 2 - 2) // 2
        self.embed = nn.Linear(64 * side * side, feature)
        self.head = nn.Linear(feature, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["block1"] = maps = self.block1(images)
        spaces["block2"] = maps = self.block2(maps)
        spaces["block3"] = maps = self.block3(maps)
        return spaces | classify(self.embed(maps.flatten(1)).relu(), self.head)


def _block(bands: int, channels: int, kernel: int, pool: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(bands, channels, kernel), nn.MaxPool2d(pool), nn.ReLU())


@described
def ding(classes: int, bands: int = 1, size: int = 128, *, feature: int = 512) -> DingNet:
    """Plain convolutional network in the manner of Ding et al. (Table II of Wang et al.).

    Raises:
        InputError: images below 48 pixels.
    """
    check_sides("ding", size, SMALLEST, feature)
    return DingNet(classes, bands, size, feature)
