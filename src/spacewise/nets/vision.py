"""DenseNet-121 and MobileNetV2 as timm builds them: the extra `vision`."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from torch import nn

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.nets.chain import Wrapped, wrap
from spacewise.nets.resnet import STEMS, check_size

DENSENET = {
    "stem": "features.pool0",
    "stage1": "features.denseblock1",
    "stage2": "features.denseblock2",
    "stage3": "features.denseblock3",
    "stage4": "features.norm5",  # the last block, as pooling sees it: normalised and rectified
    "feature": "global_pool",
    "classifier": "classifier",
}
MOBILENET = {
    "stem": "bn1",
    **{f"stage{number}": f"blocks.{number - 1}" for number in range(1, 8)},
    "feature": "global_pool",
    "classifier": "classifier",
}


@described
def densenet121(classes: int, bands: int = 3, size: int = 224, *, stem: str = "imagenet") -> Wrapped:
    """DenseNet-121 of Huang et al. (2017), from random weights: 7.0 million parameters. Needs the extra `vision`.

    Spaces: `stem`, `stage1` to `stage4` (the dense blocks, maps), `feature` (1024, their mean), `classifier`,
    `probability`.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        stem: `"imagenet"`: 7 x 7 convolution of stride 2 and pooling; `"small"`: 3 x 3, no pooling, for 32
            or 64 pixels.

    Raises:
        InputError: the extra is missing, an unknown stem, images below 32 pixels (below 8 with the small stem).
    """
    net = _built("densenet121", "densenet121", classes, bands, size, stem)
    if stem == "small":
        first = nn.Conv2d(bands, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(first.weight)  # as timm starts the other convolutions
        net.features.conv0, net.features.pool0 = first, nn.Identity()
    return wrap(net, DENSENET, bands, size)


@described
def mobilenet_v2(classes: int, bands: int = 3, size: int = 224, *, stem: str = "imagenet") -> Wrapped:
    """MobileNetV2 of Sandler et al. (2018), from random weights: 2.2 million parameters. Needs the extra `vision`.

    Spaces: `stem`, `stage1` to `stage7` (the bottlenecks of Table 2, maps), `feature` (1280, the mean behind the
    last convolution), `classifier`, `probability`.

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        stem: `"imagenet"`: maps are halved five times; `"small"`: not in the stem and in `stage2`, for 32 or 64
            pixels.

    Raises:
        InputError: the extra is missing, an unknown stem, images below 32 pixels (below 8 with the small stem).
    """
    net = _built("mobilenet-v2", "mobilenetv2_100", classes, bands, size, stem)
    if stem == "small":
        net.conv_stem.stride = net.blocks[1][0].conv_dw.stride = (1, 1)
    return wrap(net, MOBILENET, bands, size)


def _built(name: str, model: str, classes: int, bands: int, size: int, stem: str) -> Any:
    """A model of timm; nothing is downloaded."""
    if stem not in STEMS:
        raise unknown("stem", stem, STEMS)
    check_size(name, size, 32 if stem == "imagenet" else 8)
    try:
        timm = _timm()
    except ImportError as error:
        raise InputError(f'{name} needs the extra vision: pip install "spacewise[vision]" ({error})') from error
    return timm.create_model(model, pretrained=False, in_chans=bands, num_classes=classes)


def _timm() -> Any:
    """timm, also where the torchvision that it imports was built for another torch, as beside a CPU build."""
    try:
        return importlib.import_module("timm")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _declare_operators()
    return importlib.import_module("timm")


@functools.cache
def _declare_operators() -> torch.library.Library:
    """Names the operators, of detectors only, whose compiled half is missing and without which the import fails.

    They stay without code: to call one is still an error. The cache keeps the declaration alive.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
