"""Convolutions under spatial pyramid pooling, after Peng et al. (2018) as Wang et al. show it in figure 9.

Neither text prints sizes. Ours: the first four blocks of the modified A-ConvNet, the fourth without
pooling, then maxima over 1 x 1, 2 x 2 and 4 x 4 cells, so that images of any size give one vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spacewise.describe import described
from spacewise.nets.aconvnet import Block
from spacewise.nets.chain import Chain, Spaces, check_sides, classify

CELLS = (1, 2, 4)
SMALLEST = 72


class PyramidNet(Chain):
    """Spaces `block1` to `block4` (maps), `pyramid` (2,688), `feature`, `classifier`, `probability`."""

    spaces = ("block1", "block2", "block3", "block4", "pyramid", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int, feature: int) -> None:
        super().__init__(bands, size)
        self.block1 = Block(bands, 16, 5, 0, "max")
        self.block2 = Block(16, 32, 5, 0, "max")
        self.block3 = Block(32, 64, 6, 0, "max")
        self.block4 = Block(64, 128, 5, 0, None)
        self.embed = nn.Linear(128 * sum(cells * cells for cells in CELLS), feature)
        self.head = nn.Linear(feature, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["block1"] = maps = self.block1(images)
        spaces["block2"] = maps = self.block2(maps)
        spaces["block3"] = maps = self.block3(maps)
        spaces["block4"] = maps = self.block4(maps)
        levels = [nn.functional.adaptive_max_pool2d(maps, cells).flatten(1) for cells in CELLS]
        spaces["pyramid"] = vector = torch.cat(levels, dim=1)
        return spaces | classify(self.embed(vector).relu(), self.head)


@described
def spp(classes: int, bands: int = 1, size: int = 128, *, feature: int = 256) -> PyramidNet:
    """Spatial pyramid pooling network (Table VI of Wang et al.).

    Raises:
        InputError: images below 72 pixels, of which four valid convolutions leave too little.
    """
    check_sides("spp", size, SMALLEST, feature)
    return PyramidNet(classes, bands, size, feature)
