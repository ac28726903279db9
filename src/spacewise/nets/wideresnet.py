"""Wide residual networks of Zagoruyko and Komodakis (2016): normalisation and ReLU before each convolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.nets.chain import Chain, Spaces, classify
from spacewise.nets.resnet import check_size, convolution, initialise


def rectify(maps: Tensor, leak: float) -> Tensor:
    """ReLU, or LeakyReLU where the slope for negative values is not 0; overwrites the maps."""
    return functional.leaky_relu_(maps, leak) if leak else maps.relu_()


class Wide(nn.Module):
    """Two 3 x 3 convolutions, each behind its normalisation and ReLU, beside a shortcut.

    Where the number of channels changes, the shortcut, too, starts behind the first ReLU.
    """

    def __init__(self, previous: int, channels: int, stride: int, leak: float, momentum: float) -> None:
        super().__init__()
        self.leak = leak
        self.bn1 = nn.BatchNorm2d(previous, momentum=momentum)
        self.conv1 = convolution(previous, channels, 3, stride)
        self.bn2 = nn.BatchNorm2d(channels, momentum=momentum)
        self.conv2 = convolution(channels, channels, 3)
        self.shortcut = None if previous == channels else convolution(previous, channels, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        active = rectify(self.bn1(maps), self.leak)
        shortcut = maps if self.shortcut is None else self.shortcut(active)
        return self.conv2(rectify(self.bn2(self.conv1(active)), self.leak)) + shortcut


class WideResNet(Chain):
    """Spaces `stem`, `stage1` to `stage3` (maps), `feature` (mean after the last ReLU), `classifier`, `probability`.

    Attributes:
        leak: slope of its rectifiers for negative values.
    """

    spaces = ("stem", "stage1", "stage2", "stage3", "feature", "classifier", "probability")
    head_path = "fc"

    def __init__(
        self, classes: int, bands: int, size: int, depth: int, widen: int, leak: float, momentum: float
    ) -> None:
        super().__init__(bands, size)
        self.leak = leak
        self.conv1 = convolution(bands, 16, 3)
        previous = 16
        for number, channels in enumerate((16 * widen, 32 * widen, 64 * widen), start=1):
            blocks = [Wide(previous, channels, 1 if number == 1 else 2, leak, momentum)]
            blocks += [Wide(channels, channels, 1, leak, momentum) for _ in range((depth - 4) // 6 - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            previous = channels
        self.bn = nn.BatchNorm2d(previous, momentum=momentum)
        self.fc = nn.Linear(previous, classes)
        initialise(self)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["stem"] = maps = self.conv1(images)
        for number in (1, 2, 3):
            maps = self.get_submodule(f"layer{number}")(maps)
            maps = rectify(self.bn(maps), self.leak) if number == 3 else maps
            spaces[f"stage{number}"] = maps
        return spaces | classify(maps.mean(dim=(2, 3)), self.fc)


def _wrn28(name: str, classes: int, bands: int, size: int, *, widen: int, leak: float, momentum: float) -> WideResNet:
    check_size(name, size, 8)
    if not 0 <= leak < 1:
        raise InputError(f"{name}: leak is the slope for negative values, 0 (ReLU) or more and below 1, not {leak}")
    if not 0 < momentum <= 1:
        raise InputError(f"{name}: momentum is the share of the new batch, above 0 and at most 1, not {momentum}")
    return WideResNet(classes, bands, size, 28, widen, leak, momentum)


@described
def wrn28_10(classes: int, bands: int = 3, size: int = 32, *, leak: float = 0.0, momentum: float = 0.1) -> WideResNet:
    """WRN-28-10: 28 layers, ten times as wide; 36.5 million parameters at 10 classes.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        leak: slope of the rectifiers for negative values; 0 is ReLU.
        momentum: of the batch normalisation: share of the new batch in the running statistics.

    Raises:
        InputError: images below 8 pixels, a leak outside [0, 1), a momentum outside (0, 1].
    """
    return _wrn28("wrn28-10", classes, bands, size, widen=10, leak=leak, momentum=momentum)


@described
def wrn28_2(classes: int, bands: int = 3, size: int = 32, *, leak: float = 0.0, momentum: float = 0.1) -> WideResNet:
    """WRN-28-2: 28 layers, twice as wide; 1.47 million parameters at 10 classes. Arguments and errors as `wrn28_10`."""
    return _wrn28("wrn28-2", classes, bands, size, widen=2, leak=leak, momentum=momentum)
