"""A-ConvNet as modified by Wang et al. (Successive Embedding and Classification Loss, section III-B)."""

from __future__ import annotations

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.nets.chain import Chain, Spaces, check_sides, classify

POOLINGS = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
SMALLEST = 96  # below this, five valid convolutions leave nothing of the image


class Block(nn.Module):
    """Convolution, batch normalisation, ReLU and, but for one block, 2 x 2 pooling ("CBRP").

    Max-pooling runs before the ReLU: both are monotone, so the values are the same, and the ReLU has a
    quarter of the work.
    """

    def __init__(self, bands: int, channels: int, kernel: int, padding: int, pooling: str | None) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(bands, channels, kernel, padding=padding, bias=False)
        self.normalisation = nn.BatchNorm2d(channels)
        self.pool = POOLINGS[pooling](2) if pooling else nn.Identity()
        self.pool_first = pooling == "max"

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.normalisation(self.convolution(maps))
        if self.pool_first:
            return self.pool(maps).relu_()
        return self.pool(maps.relu_())


class AConvNet(Chain):
    """Spaces `block1` to `block5` (maps), `feature` (256, after its ReLU), `classifier`, `probability`."""

    spaces = ("block1", "block2", "block3", "block4", "block5", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int, pooling: str, padding: str, feature: int) -> None:
        super().__init__(bands, size)
        shapes = [(16, 5, pooling), (32, 5, pooling), (64, 6, pooling), (128, 5, None), (128, 3, pooling)]
        side, previous = size, bands
        for number, (channels, kernel, pool) in enumerate(shapes, start=1):
            margin = kernel // 2 if padding == "same" else 0
            self.add_module(f"block{number}", Block(previous, channels, kernel, margin, pool))
            side = side + 2 * margin - kernel + 1  # an even kernel with a margin gives one more
            side = side // 2 if pool else side
            previous = channels
        self.embed = nn.Linear(previous * side * side, feature)
        self.head = nn.Linear(feature, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        spaces["block1"] = maps = self.get_submodule("block1")(images)
        spaces["block2"] = maps = self.get_submodule("block2")(maps)
        spaces["block3"] = maps = self.get_submodule("block3")(maps)
        spaces["block4"] = maps = self.get_submodule("block4")(maps)
        spaces["block5"] = maps = self.get_submodule("block5")(maps)
        return spaces | classify(self.embed(maps.flatten(1)).relu(), self.head)


@described
def aconvnet(
    classes: int,
    bands: int = 1,
    size: int = 128,
    *,
    pooling: str = "max",
    padding: str = "valid",
    feature: int = 256,
) -> AConvNet:
    """The network of Table II of Wang et al.: 737,658 parameters at 10 classes and 128 x 128.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        pooling: `"max"` or `"average"` (the released contrastive networks use average pooling).
        padding: `"valid"`, as in the paper, or `"same"`, for images below 96 pixels.
        feature: dimension of the feature space.

    Raises:
        InputError: an unknown pooling or padding, or an image too small for valid convolutions.
    """
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)
    if padding not in ("valid", "same"):
        raise unknown("padding", padding, ("valid", "same"))
    if size < (SMALLEST if padding == "valid" else 16):
        remedy = "use padding=same" if size >= 16 else "use images of 16 pixels or more"
        raise InputError(f"aconvnet: {size} x {size} pixels are too few for padding={padding}; {remedy}")
    check_sides("aconvnet", size, 16, feature)
    return AConvNet(classes, bands, size, pooling, padding, feature)
