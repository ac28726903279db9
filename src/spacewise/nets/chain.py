"""A chain: a network that returns its spaces by name, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from spacewise.errors import InputError, unknown
from spacewise.nets.preprocess import Preprocess

Spaces = dict[str, Tensor]


def largest(maps: Tensor) -> Tensor:
    """The largest value over all positions (sample, channel): on bfloat16 nine times as fast as `amax`."""
    return nn.functional.adaptive_max_pool2d(maps, 1).flatten(1)


READINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda maps: maps.mean(dim=(2, 3)),
    "max": largest,
    "flatten": lambda maps: maps.flatten(1),
}


class Chain(nn.Module):
    """A network that names each representation where it computes it.

    Subclasses fill `spaces` and write `represent`. The last three spaces of a classifier are, as in
    Wang et al. (Successive Embedding and Classification Loss, equations 1 to 3), `feature` f(x),
    `classifier` W f(x) + b and `probability`, its softmax.

    Attributes:
        spaces: names in the order in which the network computes them.
        bands, size: of the images that it takes: (sample, bands, size, size).
        head_path: path of the linear layer from `feature` to `classifier`.
        preprocess: from stored pixels to what the first layer sees; saved with the weights.
        given: names of the parameters that started from given weights.
    """

    spaces: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    head_path: str = "head"

    def __init__(self, bands: int, size: int) -> None:
        super().__init__()
        self.bands = bands
        self.size = size
        self.preprocess = Preprocess(bands)

    def forward(self, images: Tensor) -> Spaces:
        """Spaces of a batch (sample, band, height, width) of stored pixels, by name."""
        return self.represent(self.preprocess(images))

    def represent(self, images: Tensor) -> Spaces:
        """Spaces of a batch of preprocessed images."""
        raise NotImplementedError

    def last_layer(self) -> nn.Linear | None:
        """The linear layer that makes the classifier space; None where there is no such layer."""
        layer = dict(self.named_modules()).get(self.head_path)
        return layer if isinstance(layer, nn.Linear) else None

    def check_space(self, name: str) -> None:
        """Raises `InputError` unless `name` (with or without a reading) is one of the spaces."""
        space, _, reading = name.partition(":")
        if space not in self.spaces:
            raise unknown("space", space, self.spaces)
        if reading and reading not in READINGS:
            raise unknown("reading of a space", reading, READINGS)


def read_space(spaces: Mapping[str, Tensor], name: str) -> Tensor:
    """One space as vectors (sample, dimension).

    A feature map (sample, channel, height, width) is averaged over its positions unless the name says
    otherwise: `block3:max`, `block3:flatten`.

    Raises:
        InputError: the space, or the reading after the colon, is not there.
    """
    if name in spaces and spaces[name].ndim == 2:
        return spaces[name]
    space, _, reading = name.partition(":")
    if space not in spaces:
        raise unknown("space", space, spaces)
    values = spaces[space]
    check_reading(space, reading, values.ndim)
    if values.ndim == 4:
        return READINGS[reading or "mean"](values)
    return values.flatten(1)


def check_reading(space: str, reading: str, dimensions: int) -> None:
    """Raises `InputError` for an unknown reading, or one of a space that is no feature map."""
    if reading and reading not in READINGS:
        raise unknown("reading of a space", reading, READINGS)
    if reading and dimensions != 4:
        raise InputError(
            f"'{space}:{reading}': the space '{space}' holds no feature maps; write it without ':{reading}'"
        )


def classify(feature: Tensor, head: nn.Module) -> Spaces:
    """The last three spaces. Softmax runs in float32 under any precision: bfloat16 would tie scores."""
    logits = head(feature)
    return {"feature": feature, "classifier": logits, "probability": logits.float().softmax(dim=1)}


class Wrapped(Chain):
    """Any `nn.Module` as a chain: outputs of named submodules become spaces. Gradients flow to each."""

    def __init__(self, module: nn.Module, spaces: Mapping[str, str], bands: int, size: int) -> None:
        super().__init__(bands, size)
        modules = dict(module.named_modules(remove_duplicate=False))
        _check_names(spaces)
        for path in spaces.values():
            if path not in modules:
                raise unknown("submodule", path, [name for name in modules if name])
        self.module = module
        self.paths = dict(spaces)
        ends_in_classifier = "classifier" in spaces
        self.spaces = (*spaces, "probability") if ends_in_classifier else tuple(spaces)
        self.head_path = f"module.{spaces['classifier']}" if ends_in_classifier else ""

    def represent(self, images: Tensor) -> Spaces:
        caught: Spaces = {}
        modules = dict(self.module.named_modules(remove_duplicate=False))

        def catcher(space: str) -> Callable[[nn.Module, Any, Any], Any]:
            def catch(_module: nn.Module, _inputs: Any, output: Any) -> Any:
                caught[space] = output
                # the network goes on with a copy: an in-place layer behind would overwrite the space
                return output.clone() if isinstance(output, Tensor) else output

            return catch

        hooks = [modules[path].register_forward_hook(catcher(space)) for space, path in self.paths.items()]
        try:
            self.module(images)
        finally:
            for hook in hooks:
                hook.remove()
        silent = [space for space in self.paths if not isinstance(caught.get(space), Tensor)]
        if silent:
            raise InputError(
                f"space '{silent[0]}' (submodule '{self.paths[silent[0]]}') gave no tensor in the forward pass"
            )
        named = {space: caught[space] for space in self.paths}
        if "classifier" in named:
            named["probability"] = named["classifier"].float().softmax(dim=1)
        return named


def _check_names(spaces: Mapping[str, str]) -> None:
    for name in spaces:
        if not re.fullmatch(r"[\w.]+", name):
            raise InputError(f"a space is named with letters, digits, '_' and '.', not {name!r}")
    if {"classifier", "probability"} <= {*spaces}:
        raise InputError("'probability' follows from the space 'classifier'; leave it out")


def wrap(module: nn.Module, spaces: Mapping[str, str], bands: int = 1, size: int = 128) -> Wrapped:
    """Makes a chain of any module by naming submodules.

    Args:
        module: any network that takes (sample, band, height, width).
        spaces: from the name of the space to the path of the submodule whose output it is, in the order
            of the network: `{"feature": "avgpool", "classifier": "fc"}`. A space named `classifier`
            holds logits, and adds `probability`.
        bands: bands of the input.
        size: height and width of the input in pixels.

    Raises:
        InputError: a path is no submodule (the nearest is suggested).
    """
    return Wrapped(module, spaces, bands, size)


def check_sides(net: str, size: int, smallest: int, feature: int) -> None:
    """Raises `InputError` where the image is too small for the network, or the feature space empty."""
    if size < smallest:
        raise InputError(f"{net}: {size} x {size} pixels are too few; use images of {smallest} pixels or more")
    if feature < 1:
        raise InputError(f"{net}: feature is the dimension of a space, 1 or more, not {feature}")


def parameter_count(module: nn.Module) -> int:
    """Number of learnt parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def output_sizes(chain: Chain) -> dict[str, tuple[int, ...]]:
    """Shape of each space for one image, without the sample axis."""
    training = chain.training
    device = next((p.device for p in chain.parameters()), None)
    chain.eval()
    with torch.no_grad():
        spaces = chain(torch.zeros(1, chain.bands, chain.size, chain.size, device=device))
    chain.train(training)
    return {name: tuple(values.shape[1:]) for name, values in spaces.items()}
