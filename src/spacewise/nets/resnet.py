"""Residual networks of He et al. (2016): the ImageNet form with torchvision's parameter names, the CIFAR form."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.nets.chain import Chain, Spaces, classify
from spacewise.nets.weights import read_weights, start_from

STEMS = ("imagenet", "small")
FETCH = "torchvision's {name} weights (https://download.pytorch.org/models/), or weights/best.safetensors of a run"


def convolution(bands: int, channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size of the map, but for its stride."""
    return nn.Conv2d(bands, channels, kernel, stride, padding=kernel // 2, bias=False)


class Basic(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, previous: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(previous, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3), nn.BatchNorm2d(width)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.bn1(self.conv1(maps)).relu_()
        return (self.bn2(self.conv2(maps)) + shortcut).relu_()


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut; the stride is the middle one's, as in torchvision."""

    expansion = 4

    def __init__(self, previous: int, width: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.bn1 = convolution(previous, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = convolution(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.bn1(self.conv1(maps)).relu_()
        maps = self.bn2(self.conv2(maps)).relu_()
        return (self.bn3(self.conv3(maps)) + shortcut).relu_()


class Padded(nn.Module):
    """The shortcut of the CIFAR form (option A): every second pixel, new channels zero, nothing learnt."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self.more = more

    def forward(self, maps: Tensor) -> Tensor:
        return functional.pad(maps[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))


def projected(previous: int, channels: int, stride: int) -> nn.Module:
    """The shortcut of the ImageNet form: a 1 x 1 convolution and its normalisation."""
    return nn.Sequential(convolution(previous, channels, 1, stride), nn.BatchNorm2d(channels))


class ResNet(Chain):
    """Spaces `stem`, `stage1` to `stage3` or `stage4` (maps), `feature` (their mean), `classifier`, `probability`."""

    head_path = "fc"

    def __init__(
        self,
        classes: int,
        bands: int,
        size: int,
        *,
        block: type[Basic] | type[Bottleneck],
        widths: Sequence[int],
        depths: Sequence[int],
        stem: str,
    ) -> None:
        super().__init__(bands, size)
        large = stem == "imagenet"
        self.conv1 = convolution(bands, widths[0], 7, 2) if large else convolution(bands, widths[0], 3)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        previous = widths[0]
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            stage, previous = _stage(block, previous, width, depth, 1 if number == 1 else 2, padded=len(widths) == 3)
            self.add_module(f"layer{number}", stage)
        self.stages = tuple(f"layer{number}" for number in range(1, len(widths) + 1))
        self.fc = nn.Linear(previous, classes)
        stages = (f"stage{number}" for number in range(1, len(widths) + 1))
        self.spaces = ("stem", *stages, "feature", "classifier", "probability")
        initialise(self)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["stem"] = maps = self.pool(self.bn1(self.conv1(images)).relu_())
        for number, name in enumerate(self.stages, start=1):
            spaces[f"stage{number}"] = maps = self.get_submodule(name)(maps)
        return spaces | classify(maps.mean(dim=(2, 3)), self.fc)


def _stage(
    block: type[Basic] | type[Bottleneck], previous: int, width: int, depth: int, stride: int, *, padded: bool
) -> tuple[nn.Sequential, int]:
    """`depth` blocks, the first of which changes size and channels; and the channels that come out."""
    channels = width * block.expansion
    shortcut: nn.Module | None = None
    if stride > 1 or previous != channels:
        shortcut = Padded(channels - previous) if padded else projected(previous, channels, stride)
    blocks = [block(previous, width, stride, shortcut)]
    blocks += [block(channels, width, 1, None) for _ in range(depth - 1)]
    return nn.Sequential(*blocks), channels


def initialise(module: nn.Module) -> None:
    """Convolutions as in He et al. (2015), by fan out."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def check_size(net: str, size: int, smallest: int) -> None:
    """Raises `InputError` for images that the last stage would have nothing of."""
    if size < smallest:
        raise InputError(f"{net}: {size} x {size} pixels are too few; use images of {smallest} pixels or more")


def _imagenet(
    name: str,
    classes: int,
    bands: int,
    size: int,
    *,
    block: type[Basic] | type[Bottleneck],
    depths: Sequence[int],
    stem: str,
    weights: str,
) -> ResNet:
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    check_size(name, size, 32 if stem == "imagenet" else 8)
    chain = ResNet(classes, bands, size, block=block, widths=(64, 128, 256, 512), depths=depths, stem=stem)
    if weights:
        own = {key for key in chain.state_dict() if key.startswith(("fc.", "preprocess."))}
        kept = [key for key in chain.state_dict() if key not in own and not key.endswith("num_batches_tracked")]
        start_from(chain, read_weights(weights, FETCH.format(name=name)), kept, weights)
        chain.given = tuple(key for key, _ in chain.named_parameters() if key in kept)
    return chain


@described
def resnet18(classes: int, bands: int = 3, size: int = 224, *, stem: str = "imagenet", weights: str = "") -> ResNet:
    """ResNet-18: 11.2 million parameters, with torchvision's names.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        stem: `"imagenet"`: 7 x 7 convolution of stride 2 and pooling; `"small"`: 3 x 3, no pooling, for 32
            or 64 pixels.
        weights: a file that all layers but the last start from.

    Raises:
        InputError: an unknown stem, too small an image, weights that do not fit.
    """
    return _imagenet("resnet18", classes, bands, size, block=Basic, depths=(2, 2, 2, 2), stem=stem, weights=weights)


@described
def resnet50(classes: int, bands: int = 3, size: int = 224, *, stem: str = "imagenet", weights: str = "") -> ResNet:
    """ResNet-50: 23.5 million parameters, with torchvision's names. Arguments and errors as `resnet18`."""
    return _imagenet(
        "resnet50", classes, bands, size, block=Bottleneck, depths=(3, 4, 6, 3), stem=stem, weights=weights
    )


def _cifar(name: str, classes: int, bands: int, size: int, depth: int) -> ResNet:
    check_size(name, size, 8)
    return ResNet(classes, bands, size, block=Basic, widths=(16, 32, 64), depths=(depth,) * 3, stem="small")


@described
def resnet20(classes: int, bands: int = 3, size: int = 32) -> ResNet:
    """ResNet-20 in the CIFAR form (He et al. 2016, section 4.2): 0.27 million parameters at 10 classes.

    Raises:
        InputError: images below 8 pixels.
    """
    return _cifar("resnet20", classes, bands, size, 3)


@described
def resnet56(classes: int, bands: int = 3, size: int = 32) -> ResNet:
    """ResNet-56 in the CIFAR form: 0.85 million parameters at 10 classes. Errors as `resnet20`."""
    return _cifar("resnet56", classes, bands, size, 9)
