"""Attribution maps: which pixels speak for a class? One value a pixel, (sample, height, width) float32.

A map orders pixels, so its scale is free: only values of one image are compared. Where nothing speaks for the
class (no gradient, or nothing positive) the map is zero. `METHODS` names them all; the floors among them know
neither network nor image, and a map that orders pixels no better than they do explains nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.explain import checks
from spacewise.nets.chain import Chain

Weighing = Callable[[Tensor, Tensor], Tensor]  # maps, their gradients -> weights (sample, channel, 1, 1)
Method = Callable[[Chain, Tensor, Tensor, str, int], Tensor]  # chain, images, classes, space, seed -> maps


def grad_cam(chain: Chain, images: Tensor, classes: Tensor, space: str, *, batch: int = 64) -> Tensor:
    """ReLU(sum_c mean_ij(d logit / d A_cij) A_c), enlarged bilinearly to the image.

    Selvaraju et al., Grad-CAM (2017), equations 1 and 2.

    Args:
        chain: evaluated without dropout and with stored statistics, whatever its mode.
        images: (sample, band, height, width) of stored pixels.
        classes: (sample,) the class that is explained, for each image.
        space: feature maps A (sample, channel, rows, columns) that the classifier follows from.
        batch: images at once.

    Returns:
        (sample, height, width) float32, 0 or more.

    Raises:
        InputError: no such space, one without positions, no classifier, a class that does not exist.
    """
    return _class_activation(chain, images, classes, space, _mean_gradient, batch)


def grad_cam_plus_plus(chain: Chain, images: Tensor, classes: Tensor, space: str, *, batch: int = 64) -> Tensor:
    """Grad-CAM with gradients weighed by position: w_c = sum_ij alpha_cij ReLU(g_cij).

    With g = d logit / d A, alpha_cij = g_cij^2 / (2 g_cij^2 + sum_ab A_cab g_cij^3): Chattopadhay et al.,
    Grad-CAM++ (2018), equations 10 and 19. Their score exp(logit) multiplies a whole map by one number, which
    is left out. They take A behind its ReLU; elsewhere a denominator can be 0, and its position then counts 0.
    Arguments, result and errors as `grad_cam`.
    """
    return _class_activation(chain, images, classes, space, _positive_gradient, batch)


def _mean_gradient(maps: Tensor, gradients: Tensor) -> Tensor:
    return gradients.mean(dim=(2, 3), keepdim=True)


def _positive_gradient(maps: Tensor, gradients: Tensor) -> Tensor:
    # divided by g^2: squares and cubes of small float32 gradients would vanish
    denominators = 2 + maps.sum(dim=(2, 3), keepdim=True) * gradients
    counted = (gradients > 0) & (denominators != 0)
    return torch.where(counted, gradients / denominators, 0).sum(dim=(2, 3), keepdim=True)


def _class_activation(chain: Chain, images: Tensor, classes: Tensor, space: str, weigh: Weighing, batch: int) -> Tensor:
    checks.classifies(chain)
    checks.whole_space(chain, space)
    classes = checks.indices("classes", classes, len(checks.pictures(images)))
    with checks.evaluating(chain) as device:
        parts = zip(images.split(batch), classes.split(batch), strict=True)
        found = [_activation(chain, part.to(device), those.to(device), space, weigh) for part, those in parts]
    return torch.cat(found).to(images.device)


def _activation(chain: Chain, images: Tensor, classes: Tensor, space: str, weigh: Weighing) -> Tensor:
    with torch.enable_grad():
        # frozen parameters alone would leave the maps without a gradient
        spaces = chain.represent(chain.preprocess(images).requires_grad_())
        maps = checks.feature_maps(spaces, space)
        gradients = _slopes(spaces["classifier"], classes, maps)
    if gradients is None:
        raise InputError(f"space '{space}': the classifier does not follow from it")
    maps = maps.detach()
    seen = (weigh(maps, gradients) * maps).sum(dim=1, keepdim=True).relu()
    return functional.interpolate(seen, images.shape[2:], mode="bilinear", align_corners=False)[:, 0].float()


def _slopes(logits: Tensor, classes: Tensor, at: Tensor) -> Tensor | None:
    """d (logit of its class) / d `at` for each sample: samples do not mix in evaluation. None: not connected."""
    checks.within("classes", classes, logits.shape[1])
    chosen = logits.gather(1, classes[:, None]).sum()
    return torch.autograd.grad(chosen, at, allow_unused=True)[0]


def contributions(chain: Chain, images: Tensor, classes: Tensor, *, steps: int = 32, batch: int = 128) -> Tensor:
    """Integrated gradients: x times the mean of d logit / d x on the line from 0 to x, signed, by band.

    Sundararajan et al. (2017), equation 1, with x the preprocessed image, so that the line starts at the mean
    of the training images, and Gauss-Legendre points. They add up to logit(x) - logit(0), exactly so for many
    steps.

    Args:
        chain, images, classes: as in `grad_cam`.
        steps: points on the line.
        batch: images at once, times their points; all points of one image at least.

    Returns:
        (sample, band, height, width) float32.

    Raises:
        InputError: no classifier, a class that does not exist, no steps.
    """
    checks.classifies(chain)
    classes = checks.indices("classes", classes, len(checks.pictures(images)))
    if steps < 1:
        raise InputError(f"steps: {steps}, expected 1 or more")
    together = max(1, batch // steps)
    with checks.evaluating(chain) as device:
        parts = zip(images.split(together), classes.split(together), strict=True)
        found = [_contributions(chain, part.to(device), those.to(device), steps) for part, those in parts]
    return torch.cat(found).to(images.device)


def _contributions(chain: Chain, images: Tensor, classes: Tensor, steps: int) -> Tensor:
    pixels = chain.preprocess(images).detach()
    places, weights = (torch.from_numpy(part).to(pixels) for part in np.polynomial.legendre.leggauss(steps))
    line = ((1 + places) / 2)[:, None, None, None, None] * pixels  # (step, sample, band, height, width)
    with torch.enable_grad():
        points = line.flatten(0, 1).requires_grad_()
        gradients = _slopes(chain.represent(points)["classifier"], classes.repeat(steps), points)
    if gradients is None:
        raise InputError("the classifier does not follow from the image")
    return (pixels * torch.tensordot(weights / 2, gradients.view_as(line), dims=1)).float()


def integrated_gradients(chain: Chain, images: Tensor, classes: Tensor, *, steps: int = 32, batch: int = 128) -> Tensor:
    """|sum over bands of `contributions`|: a pixel that speaks against the class ranks high, too.

    Bands are added before the sign goes: where they cancel, the pixel as a whole says nothing.
    Arguments and errors as `contributions`; (sample, height, width) float32.
    """
    return contributions(chain, images, classes, steps=steps, batch=batch).sum(dim=1).abs()


def random_map(count: int, height: int, width: int, seed: int) -> Tensor:
    """A floor: the pixels in random order, without ties, another for each of `count` images; 0 to 1."""
    drawn = torch.rand(count, height * width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.argsort(dim=1).float().div(height * width).view(count, height, width)


def centre_blob(count: int, height: int, width: int) -> Tensor:
    """A floor: a Gaussian around the centre, its deviation a quarter of each side, the same `count` times."""
    rows, columns = ((torch.arange(side) - (side - 1) / 2) / (side / 4) for side in (height, width))
    blob = torch.exp(-(rows[:, None] ** 2 + columns**2) / 2)
    return blob.expand(count, height, width).clone()


def _random(chain: Chain, images: Tensor, classes: Tensor, space: str, seed: int) -> Tensor:
    count, _, height, width = checks.pictures(images).shape
    return random_map(count, height, width, seed).to(images.device)


def _centre(chain: Chain, images: Tensor, classes: Tensor, space: str, seed: int) -> Tensor:
    count, _, height, width = checks.pictures(images).shape
    return centre_blob(count, height, width).to(images.device)


# a seed fixes the random maps of a call: a set that is explained in pieces takes another for each piece
METHODS: dict[str, Method] = {
    "gradcam": lambda chain, images, classes, space, seed: grad_cam(chain, images, classes, space),
    "gradcam++": lambda chain, images, classes, space, seed: grad_cam_plus_plus(chain, images, classes, space),
    "integrated_gradients": lambda chain, images, classes, space, seed: integrated_gradients(chain, images, classes),
    "random": _random,
    "centre": _centre,
}
