"""A classifier with a projection head beside it: one feature, read by both.

Source: Li et al. (2021), CoMatch: Semi-Supervised Learning with Contrastive Graph Regularization.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from spacewise.describe import described, make_named
from spacewise.errors import InputError
from spacewise.nets.branch import LAST, check_dimension, name_and_options, own_spaces
from spacewise.nets.chain import Chain, Spaces
from spacewise.nets.resnet import ResNet
from spacewise.nets.wideresnet import WideResNet


class Projected(Chain):
    """An encoder with its classifier, and a projection head on the same `feature`.

    Spaces: those of the encoder up to `feature`, `embedding` (float32, of unit length), `classifier`,
    `probability`. The classifier reads `feature`, not `embedding`: the head changes nothing that it says.

    Attributes:
        encoder: from preprocessed images to its spaces, with its last layer and without preprocessing.
        projection: hidden layer, rectifier and linear layer, from `feature` to `embedding` before its length
            is taken out.
    """

    def __init__(self, encoder: Chain, projection: nn.Sequential) -> None:
        super().__init__(encoder.bands, encoder.size)
        self.encoder, self.projection = encoder, projection
        self.spaces = (*own_spaces(encoder), "embedding", *LAST)
        self.head_path = f"encoder.{encoder.head_path}"
        self.given = tuple(f"encoder.{name}" for name in encoder.given)

    def represent(self, images: Tensor) -> Spaces:
        found = self.encoder(images)
        # in bfloat16 the length would be 1 to three digits only
        embedding = functional.normalize(self.projection(found["feature"]).float(), dim=1)
        return {name: embedding if name == "embedding" else found[name] for name in self.spaces}


def _encoder(named: Mapping[str, Any] | str, weights: str, classes: int, bands: int, size: int) -> Chain:
    """A network of the table, by its name or by name and options, without its preprocessing."""
    from spacewise.nets import NETS  # the table holds what this file makes: on top, this would be a circle

    name, options = name_and_options(named)
    if "weights" in options:
        raise InputError(f"encoder {name}: weights is an option of projected itself; write it beside encoder")
    options_of = {key: inspect.signature(build).parameters for key, build in NETS.items()}
    table = {key: build for key, build in NETS.items() if "encoder" not in options_of[key]}  # those are no encoders
    if weights:
        if name in table and "weights" not in options_of[name]:
            raise InputError(f"encoder {name} starts from no weights; leave weights out, or use resnet18 or resnet50")
        options["weights"] = weights
    chain = make_named("encoder", table, name, options, classes=classes, bands=bands, size=size)
    chain.set_submodule("preprocess", nn.Identity())
    return chain


def _last_layer(encoder: Chain, name: str) -> nn.Linear:
    """What makes the classifier of `feature`; `InputError` for a network that has not both of them."""
    layer = encoder.last_layer()
    if layer is None or "feature" not in encoder.spaces:
        raise InputError(f"encoder {name} has no space 'feature' under a classifier; use another, like resnet18")
    return layer


@described
def projected(
    classes: int,
    bands: int = 3,
    size: int = 60,
    *,
    encoder: Mapping[str, Any] | str = "resnet18",
    hidden: int | None = None,
    dimension: int = 64,
    weights: str = "",
) -> Projected:
    """A network with the projection head of CoMatch: hidden layer, rectifier, linear layer, unit length.

    The paper's are `"resnet18"` (512-2048-64), `"resnet50"` (2048-2048-64), both with ReLU, and
    `{"name": "wrn28-2", "leak": 0.1, "momentum": 0.001}` (128-128-64 with LeakyReLU).

    Args:
        classes: number of classes.
        bands: bands of the image.
        size: height and width in pixels.
        encoder: name of a network with the space `feature`, or its name and options:
            `{"name": "resnet18", "stem": "small"}`.
        hidden: units of the hidden layer; if not given, 2048 for ResNets of the ImageNet form and as many as
            `feature` has for others. Its rectifier has the encoder's `leak`, or none.
        dimension: of the embedding.
        weights: a file that the encoder starts from, where it is one that takes weights.

    Raises:
        InputError: an unknown encoder or option, an encoder without the space `feature`, or one that holds an
            encoder itself; images too small for it; weights that it does not take or that do not fit;
            `hidden` or `dimension` below 1.
    """
    check_dimension("projected", dimension)
    if hidden is not None and hidden < 1:
        raise InputError(f"projected: hidden is the number of units of the hidden layer, 1 or more, not {hidden}")
    built = _encoder(encoder, weights, classes, bands, size)
    name = encoder if isinstance(encoder, str) else encoder["name"]
    width = _last_layer(built, name).in_features
    leak = built.leak if isinstance(built, WideResNet) else 0.0
    units = hidden or (2048 if isinstance(built, ResNet) and "stage4" in built.spaces else width)
    rectifier = nn.LeakyReLU(leak) if leak else nn.ReLU()
    return Projected(built, nn.Sequential(nn.Linear(width, units), rectifier, nn.Linear(units, dimension)))
