"""CaffeNet: the AlexNet of Krizhevsky et al. (2012) in Caffe's order, pooling before normalisation."""

from __future__ import annotations

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.nets.chain import Chain, Spaces, classify

SMALLEST = 67


class CaffeNet(Chain):
    """Spaces `pool1`, `pool2`, `conv3`, `conv4`, `pool5` (maps), `fc6`, `feature` (fc7), `classifier`, …"""

    spaces = ("pool1", "pool2", "conv3", "conv4", "pool5", "fc6", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int) -> None:
        super().__init__(bands, size)
        self.conv1 = nn.Conv2d(bands, 96, 11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.pool = nn.MaxPool2d(3, 2)
        self.normalise = nn.LocalResponseNorm(5)
        side = (size - 11) // 4 + 1
        for _ in range(3):
            side = (side - 3) // 2 + 1
        self.fc6 = nn.Linear(256 * side * side, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4096, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["pool1"] = maps = self.pool(self.conv1(images).relu())
        spaces["pool2"] = maps = self.pool(self.conv2(self.normalise(maps)).relu())
        spaces["conv3"] = maps = self.conv3(self.normalise(maps)).relu()
        spaces["conv4"] = maps = self.conv4(maps).relu()
        spaces["pool5"] = maps = self.pool(self.conv5(maps).relu())
        spaces["fc6"] = vector = self.drop(self.fc6(maps.flatten(1)).relu())
        return spaces | classify(self.drop(self.fc7(vector).relu()), self.head)


@described
def caffenet(classes: int, bands: int = 3, size: int = 227) -> CaffeNet:
    """CaffeNet (Table VII of Wang et al.). Weights start at random unless a run is given.

    Raises:
        InputError: images below 67 pixels.
    """
    if size < SMALLEST:
        raise InputError(f"caffenet: {size} x {size} pixels are too few; use images of {SMALLEST} or more")
    return CaffeNet(classes, bands, size)
