"""Wide residual networks of Zagoruyko and Komodakis (2016): normalisation and ReLU before each convolution."""

from __future__ import annotations

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.nets.chain import Chain, Spaces, classify
from spacewise.nets.resnet import check_size, convolution, initialise


class Wide(nn.Module):
    """Two 3 x 3 convolutions, each behind its normalisation and ReLU, beside a shortcut.

    Where the number of channels changes, the shortcut, too, starts behind the first ReLU.
    """

    def __init__(self, previous: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(previous), convolution(previous, channels, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(channels), convolution(channels, channels, 3)
        self.shortcut = None if previous == channels else convolution(previous, channels, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        active = self.bn1(maps).relu_()
        shortcut = maps if self.shortcut is None else self.shortcut(active)
        return self.conv2(self.bn2(self.conv1(active)).relu_()) + shortcut


class WideResNet(Chain):
    """Spaces `stem`, `stage1` to `stage3` (maps), `feature` (mean after the last ReLU), `classifier`, `probability`."""

    spaces = ("stem", "stage1", "stage2", "stage3", "feature", "classifier", "probability")
    head_path = "fc"

    def __init__(self, classes: int, bands: int, size: int, depth: int, widen: int) -> None:
        super().__init__(bands, size)
        self.conv1 = convolution(bands, 16, 3)
        previous = 16
        for number, channels in enumerate((16 * widen, 32 * widen, 64 * widen), start=1):
            blocks = [Wide(previous, channels, 1 if number == 1 else 2)]
            blocks += [Wide(channels, channels, 1) for _ in range((depth - 4) // 6 - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            previous = channels
        self.bn = nn.BatchNorm2d(previous)
        self.fc = nn.Linear(previous, classes)
        initialise(self)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["stem"] = maps = self.conv1(images)
        for number in (1, 2, 3):
            maps = self.get_submodule(f"layer{number}")(maps)
            maps = self.bn(maps).relu_() if number == 3 else maps
            spaces[f"stage{number}"] = maps
        return spaces | classify(maps.mean(dim=(2, 3)), self.fc)


@described
def wrn28_10(classes: int, bands: int = 3, size: int = 32) -> WideResNet:
    """WRN-28-10: 28 layers, ten times as wide; 36.5 million parameters at 10 classes.

    Raises:
        InputError: images below 8 pixels.
    """
    check_size("wrn28-10", size, 8)
    return WideResNet(classes, bands, size, 28, 10)


@described
def wrn28_2(classes: int, bands: int = 3, size: int = 32) -> WideResNet:
    """WRN-28-2: 28 layers, twice as wide; 1.47 million parameters at 10 classes. Errors as `wrn28_10`."""
    check_size("wrn28-2", size, 8)
    return WideResNet(classes, bands, size, 28, 2)
