from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.explain.attribution import (
    METHODS,
    centre_blob,
    contributions,
    grad_cam,
    grad_cam_plus_plus,
    integrated_gradients,
    random_map,
)
from spacewise.nets.chain import Chain, Spaces, classify, wrap

Build = Callable[..., Chain]
GRADIENT = ("gradcam", "gradcam++", "integrated_gradients")


def pixels(count: int = 5, bands: int = 1, size: int = 16, seed: int = 0) -> Tensor:
    drawn = torch.randint(0, 256, (count, bands, size, size), generator=torch.Generator().manual_seed(seed))
    return drawn.to(torch.uint8)


def fitted(chain: Chain) -> Chain:
    """A chain that subtracts a mean, with statistics that batch normalisation has really seen."""
    chain.preprocess.fit(pixels(16, chain.bands, chain.size, seed=1), "intensity")
    with torch.no_grad():
        chain.train()(pixels(16, chain.bands, chain.size, seed=2))
    return chain.eval()


def wrapped() -> Chain:
    """A stranger's network, with a layer that works in place behind the space."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        layers = (nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(6, 5, 3), nn.ReLU(inplace=True))
        module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 4))
    return wrap(module, {"early": "0", "maps": "2", "classifier": "6"}, bands=3, size=20)


def captum_grad_cam(chain: Chain, layer: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    attr = pytest.importorskip("captum.attr")

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain = chain

        def forward(self, x: Tensor) -> Tensor:
            return self.chain(x)["classifier"]

    found = attr.LayerGradCam(Logits(), layer).attribute(images.float(), classes, relu_attributions=True)
    return attr.LayerAttribution.interpolate(found, tuple(images.shape[2:]), interpolate_mode="bilinear")[:, 0]


@pytest.mark.parametrize("count", [1, 5])
def test_grad_cam_is_captums_bit_for_bit(tiny_chain: Build, count: int) -> None:
    chain, images, classes = fitted(tiny_chain(bands=3)), pixels(count, 3), torch.arange(count) % 3
    ours = grad_cam(chain, images, classes, "maps")
    assert ours.shape == (count, 16, 16)
    assert ours.dtype == torch.float32
    assert ours.max() > 0
    assert torch.equal(ours, captum_grad_cam(chain, chain.pool, images, classes).detach())


@pytest.mark.parametrize(("space", "layer"), [("early", 0), ("maps", 2)])
def test_grad_cam_of_a_wrapped_network_is_captums(space: str, layer: int) -> None:
    chain, images, classes = wrapped().eval(), pixels(4, 3, 20), torch.tensor([0, 3, 1, 2])
    theirs = captum_grad_cam(chain, chain.module[layer], images, classes)
    assert torch.equal(grad_cam(chain, images, classes, space), theirs.detach())


def test_grad_cam_plus_plus_is_the_papers_in_float64(tiny_chain: Build) -> None:
    chain, images, classes = fitted(tiny_chain(bands=3)), pixels(4, 3), torch.tensor([0, 1, 2, 1])
    ours = grad_cam_plus_plus(chain, images, classes, "maps").double()
    assert ours.flatten(1).amax(dim=1).min() > 0
    for image, label, found in zip(images, classes, ours, strict=True):
        naive = naive_plus_plus(chain.double(), image[None], int(label))
        np.testing.assert_allclose(found / found.max(), naive / naive.max(), atol=1e-5)
        chain.float()


def naive_plus_plus(chain: Chain, image: Tensor, label: int) -> Tensor:
    """Equations 10, 12 and 19 of Chattopadhay et al., channel by channel, with Y = exp(S) and its derivatives."""
    spaces = chain.represent(chain.preprocess(image))
    score, maps = spaces["classifier"][0, label].exp(), spaces["maps"]
    slopes = (torch.autograd.grad(score, maps)[0] / score)[0].detach()
    maps, score = maps[0].detach(), score.detach()
    total = torch.zeros_like(maps[0])
    for channel, slope in zip(maps, slopes, strict=True):
        first, second, third = score * slope, score * slope**2, score * slope**3
        weight = 0.0
        for i in range(len(channel)):
            for j in range(len(channel)):
                below = 2 * second[i, j] + (channel * third[i, j]).sum()
                weight += float(second[i, j] / below * first[i, j].relu()) if below else 0.0
        total += weight * channel
    side = image.shape[-1]
    return functional.interpolate(total.relu()[None, None], (side, side), mode="bilinear")[0, 0]


def test_integrated_gradients_are_captums(tiny_chain: Build) -> None:
    attr = pytest.importorskip("captum.attr")
    chain, images, classes = fitted(tiny_chain(bands=3)), pixels(5, 3), torch.arange(5) % 3
    theirs = attr.IntegratedGradients(lambda x: chain.represent(x)["classifier"]).attribute(
        chain.preprocess(images), target=classes, n_steps=32
    )
    torch.testing.assert_close(contributions(chain, images, classes), theirs.float(), atol=1e-5, rtol=1e-5)
    map_ = integrated_gradients(chain, images, classes)
    torch.testing.assert_close(map_, theirs.sum(dim=1).abs().float(), atol=1e-5, rtol=1e-5)


def test_contributions_add_up_to_what_the_image_adds(tiny_chain: Build) -> None:
    chain, images, classes = fitted(tiny_chain(bands=3)), pixels(3, 3), torch.tensor([2, 0, 1])
    x = chain.preprocess(images)
    with torch.no_grad():
        added = chain.represent(x)["classifier"] - chain.represent(0 * x)["classifier"]
    found = contributions(chain, images, classes, steps=256).sum(dim=(1, 2, 3))
    torch.testing.assert_close(found, added.gather(1, classes[:, None])[:, 0], atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("method", [grad_cam, grad_cam_plus_plus])
def test_pieces_give_the_same_activations(tiny_chain: Build, method: Callable[..., Tensor]) -> None:
    chain, images, classes = fitted(tiny_chain()), pixels(7), torch.arange(7) % 3
    pieces = method(chain, images, classes, "maps", batch=3)
    torch.testing.assert_close(pieces, method(chain, images, classes, "maps"))


def test_pieces_give_the_same_contributions(tiny_chain: Build) -> None:
    chain, images, classes = fitted(tiny_chain()), pixels(7), torch.arange(7) % 3
    torch.testing.assert_close(contributions(chain, images, classes, batch=1), contributions(chain, images, classes))


@pytest.mark.parametrize("name", GRADIENT)
def test_a_map_depends_neither_on_mode_nor_on_frozen_weights_nor_on_no_grad(tiny_chain: Build, name: str) -> None:
    chain, images, classes = fitted(tiny_chain()), pixels(), torch.arange(5) % 3
    expected = METHODS[name](chain, images, classes, "maps", 0)
    chain.train()
    chain.normalisation.eval()
    for parameter in chain.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        assert torch.equal(METHODS[name](chain, images, classes, "maps", 0), expected)
    assert chain.training
    assert chain.drop.training
    assert not chain.normalisation.training
    assert all(parameter.grad is None for parameter in chain.parameters())


@pytest.mark.parametrize("name", GRADIENT)
def test_where_nothing_speaks_for_the_class_the_map_is_zero(tiny_chain: Build, name: str) -> None:
    chain = fitted(tiny_chain())
    nn.init.zeros_(chain.head.weight)
    found = METHODS[name](chain, pixels(), torch.zeros(5, dtype=torch.long), "maps", 0)
    assert torch.equal(found, torch.zeros(5, 16, 16))


@pytest.mark.parametrize("name", GRADIENT)
def test_an_even_image_gives_no_nan(tiny_chain: Build, name: str) -> None:
    chain = fitted(tiny_chain())
    nn.init.zeros_(chain.convolution.weight)
    found = METHODS[name](chain, torch.full((2, 1, 16, 16), 7, dtype=torch.uint8), torch.tensor([0, 1]), "maps", 0)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, found[:, :1, :1].expand_as(found))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_alike(tiny_chain: Build, name: str) -> None:
    images = pixels(3, 1, 20)[:, :, :, :18]
    found = METHODS[name](fitted(tiny_chain(size=20)), images, torch.tensor([0, 1, 2]), "maps", 4)
    assert found.shape == (3, 20, 18)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert not found.requires_grad


def test_the_random_floor_orders_without_ties_and_by_seed() -> None:
    maps = random_map(3, 8, 6, seed=1)
    assert all(len(each.unique()) == 48 for each in maps)
    assert not torch.equal(maps[0], maps[1])
    assert torch.equal(maps, random_map(3, 8, 6, seed=1))
    assert not torch.equal(maps, random_map(3, 8, 6, seed=2))


def test_the_centre_floor_is_a_gaussian_of_a_quarter_of_the_side() -> None:
    blob = centre_blob(2, 9, 17)
    assert blob.shape == (2, 9, 17)
    assert blob[0, 4, 8] == blob.max() == 1
    assert torch.equal(blob, blob.flip(1, 2))
    assert float(blob[1, 4, 0]) == pytest.approx(np.exp(-((8 / (17 / 4)) ** 2) / 2))


class Aside(Chain):
    """A space of maps that the classifier does not follow from, and one of a single position."""

    spaces = ("aside", "point", "feature", "classifier", "probability")

    def __init__(self) -> None:
        super().__init__(1, 8)
        self.convolution, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def represent(self, images: Tensor) -> Spaces:
        maps = self.convolution(images)
        point = maps.mean(dim=(2, 3), keepdim=True)
        return {"aside": maps.relu(), "point": point} | classify(point.flatten(1), self.head)


@pytest.mark.parametrize(
    ("space", "classes", "message"),
    [
        ("mapz", [0, 1], "unknown space 'mapz': did you mean 'maps'"),
        ("maps:max", [0, 1], "write 'maps'"),
        ("feature", [0, 1], r"space 'feature' \(16\) has no positions.*feature maps: maps"),
        ("maps", [0, 3], "classes: 3 of image 1 is no class; the network's are 0 to 2"),
        ("maps", [0, -1], "classes: -1 of image 1"),
        ("maps", [0], r"expected integer class indices \(2,\)"),
        ("maps", [0.0, 1.0], "expected integer class indices"),
    ],
)
@pytest.mark.parametrize("method", [grad_cam, grad_cam_plus_plus])
def test_bad_input_is_named(
    tiny_chain: Build, method: Callable[..., Tensor], space: str, classes: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        method(tiny_chain(), pixels(2), torch.tensor(classes), space)


@pytest.mark.parametrize(("space", "message"), [("aside", "does not follow from it"), ("point", "4 x 1 x 1")])
def test_a_space_that_cannot_tell_is_named(space: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        grad_cam(Aside(), pixels(2, 1, 8), torch.tensor([0, 1]), space)


@pytest.mark.parametrize("name", GRADIENT)
def test_without_a_classifier_there_is_nothing_to_explain(name: str) -> None:
    chain = wrap(nn.Sequential(nn.Conv2d(1, 2, 3)), {"maps": "0"}, size=8)
    with pytest.raises(InputError, match=r"no space 'classifier'.*maps"):
        METHODS[name](chain, pixels(1, 1, 8), torch.tensor([0]), "maps", 0)


def test_other_malformed_input_is_named(tiny_chain: Build) -> None:
    chain, one = tiny_chain(), torch.tensor([0])
    with pytest.raises(InputError, match="expected images"):
        grad_cam(chain, pixels(1)[0], one, "maps")
    with pytest.raises(InputError, match="at least one"):
        grad_cam(chain, pixels(1)[:0], one[:0], "maps")
    with pytest.raises(InputError, match="1 bands"):
        grad_cam(chain, pixels(1, 3), one, "maps")
    with pytest.raises(InputError, match="steps: 0"):
        contributions(chain, pixels(1), one, steps=0)
    with pytest.raises(InputError, match="7 of image 0 is no class"):
        integrated_gradients(chain, pixels(1), one + 7)
