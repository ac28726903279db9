"""VGG16 of Simonyan and Zisserman (2015), with torchvision's parameter names."""

from __future__ import annotations

from torch import Tensor, nn

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.nets.chain import Chain, Spaces, classify

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def convolutions(bands: int, *, normalisation: bool, width: int = 64) -> nn.Sequential:
    """The thirteen convolutions with ReLU and the five poolings, in torchvision's order.

    Args:
        bands: of the image.
        normalisation: batch normalisation after each convolution.
        width: channels of the first convolution, 64 in VGG16; the others in proportion.
    """
    layers: list[nn.Module] = []
    previous = bands
    for widths in WIDTHS:
        for channels in (given * width // 64 for given in widths):
            layers.append(nn.Conv2d(previous, channels, 3, padding=1))
            layers += [nn.BatchNorm2d(channels)] if normalisation else []
            layers.append(nn.ReLU(inplace=True))
            previous = channels
        layers.append(nn.MaxPool2d(2))
    for layer in layers:
        if isinstance(layer, nn.Conv2d):  # without this, thirteen layers do not start to learn
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.0)  # type: ignore[arg-type]
    return nn.Sequential(*layers)


class VGG(Chain):
    """Spaces `pool1` to `pool5` (maps), `fc6`, `feature` (fc7), `classifier`, `probability`."""

    spaces = ("pool1", "pool2", "pool3", "pool4", "pool5", "fc6", "feature", "classifier", "probability")
    head_path = "classifier.6"

    def __init__(self, classes: int, bands: int, size: int, normalisation: bool) -> None:
        super().__init__(bands, size)
        self.features = convolutions(bands, normalisation=normalisation)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, classes),
        )

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {}
        maps = images
        for layer in self.features:
            maps = layer(maps)
            if isinstance(layer, nn.MaxPool2d):
                spaces[f"pool{len(spaces) + 1}"] = maps
        vector = nn.functional.adaptive_avg_pool2d(maps, 7).flatten(1)
        spaces["fc6"] = vector = self.classifier[:3](vector)
        return spaces | classify(self.classifier[3:6](vector), self.classifier[6])


@described
def vgg16(classes: int, bands: int = 3, size: int = 224, *, normalisation: bool = False) -> VGG:
    """VGG16 (Table VII of Wang et al.), from random weights.

    Args:
        normalisation: with batch normalisation after each convolution.

    Raises:
        InputError: images below 32 pixels.
    """
    if size < 32:
        raise InputError(f"vgg16: {size} x {size} pixels are too few; use images of 32 pixels or more")
    return VGG(classes, bands, size, normalisation)
