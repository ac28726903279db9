from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from spacewise.errors import InputError
from spacewise.explain.attribution import random_map
from spacewise.explain.curves import DEFINITIONS, Curves, Definition, curves
from spacewise.explain.perturb import blurred, ranked, tied
from spacewise.nets.chain import Chain, Spaces, classify, wrap

Build = Callable[..., Chain]
SUBSTRATES = ("zero", "blur")
EVERY = {
    "-".join(parts): Definition(*parts)
    for parts in itertools.product(("probability", "accuracy"), ("predicted", "true"), SUBSTRATES, SUBSTRATES)
}
FADING = {"fading": Definition("probability", "true", "zero", "zero")}


def pixels(count: int = 5, bands: int = 1, size: int = 16) -> Tensor:
    drawn = torch.randint(0, 256, (count, bands, size, size), generator=torch.Generator().manual_seed(0))
    return drawn.to(torch.uint8)


def fitted(chain: Chain) -> Chain:
    """A chain that subtracts a mean, with logits far enough apart for probabilities that tell something."""
    chain.preprocess.fit(pixels(16, chain.bands, chain.size), "intensity")
    with torch.no_grad():
        chain.head.weight.mul_(8)
        chain.train()(pixels(16, chain.bands, chain.size))
    return chain.eval()


def naive(chain: Chain, image: Tensor, label: int, map_: Tensor, steps: int, definition: Definition) -> np.ndarray:
    """Insertion and deletion (2, step + 1) of one image, a step at a time, in float64."""
    chain.double()
    x = chain.preprocess(image[None])[0]
    height, width = map_.shape
    order = sorted(range(height * width), key=lambda pixel: (-float(map_.flatten()[pixel]), pixel))
    grounds = {"zero": torch.zeros_like(x), "blur": naive_blur(x)}
    predicted = int(chain.represent(x[None])["classifier"][0].argmax())
    target = predicted if definition.target == "predicted" else label

    def score(picture: Tensor) -> float:
        logits = chain.represent(picture[None])["classifier"][0]
        return float(logits.softmax(0)[target] if definition.score == "probability" else logits.argmax() == target)

    found = []
    for start, end in ((grounds[definition.insertion], x), (x, grounds[definition.deletion])):
        line = []
        for step in range(steps + 1):
            picture = start.clone()
            for place, pixel in enumerate(order):
                if place < step * height * width / steps:
                    picture[:, pixel // width, pixel % width] = end[:, pixel // width, pixel % width]
            line.append(score(picture))
        found.append(line)
    chain.float()
    return np.array(found)


def naive_blur(x: Tensor) -> Tensor:
    """For sides below 80 pixels: 3 x 3 pixels, zero beyond the edge."""
    height, width = x.shape[1:]
    found = torch.zeros_like(x)
    for i, j in itertools.product(range(height), range(width)):
        total = 0.0
        for a, b in itertools.product((-1, 0, 1), (-1, 0, 1)):
            weight = np.exp(-((a / (5 * height / 224)) ** 2) / 2 - (b / (5 * width / 224)) ** 2 / 2)
            total += weight
            if 0 <= i + a < height and 0 <= j + b < width:
                found[:, i, j] += weight * x[:, i + a, j + b]
        found[:, i, j] /= total
    return found


@torch.no_grad()
def test_every_definition_is_the_loop_over_images_and_steps(tiny_chain: Build) -> None:
    chain, images, labels = fitted(tiny_chain(bands=2, size=9)), pixels(3, 2, 9), torch.tensor([0, 1, 2])
    maps = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(1)).mul(9).round()  # many ties
    found = curves(chain, images, labels, maps, steps=7, definitions=EVERY, batch=5)
    for name, definition in EVERY.items():
        for i in range(3):
            insertion, deletion = naive(chain, images[i], int(labels[i]), maps[i], 7, definition)
            np.testing.assert_allclose(found[name].insertion[i], insertion, atol=2e-5)
            np.testing.assert_allclose(found[name].deletion[i], deletion, atol=2e-5)
    spread = found["probability-predicted-blur-zero"].deletion
    assert np.ptp(spread, axis=1).min() > 0.01


def test_areas_are_torchcams(tiny_chain: Build) -> None:
    metrics = pytest.importorskip("torchcam.metrics")
    chain, images, maps = fitted(tiny_chain()), pixels(4), random_map(4, 16, 16, seed=0)
    plain = {"plain": Definition("probability", "predicted", "zero", "zero")}
    ours = curves(chain, images, torch.zeros(4, dtype=torch.long), maps, steps=32, definitions=plain)["plain"]
    theirs = metrics.DeletionInsertionMetric(Given(chain, maps), lambda logits: logits.softmax(dim=1), steps=32)
    theirs.update(chain.preprocess(images))
    insertion, deletion = ours.areas()
    assert insertion.mean() == pytest.approx(theirs.summary()["insertion_auc"], abs=1e-5)
    assert deletion.mean() == pytest.approx(theirs.summary()["deletion_auc"], abs=1e-5)


class Given:
    """What torchcam asks of an extractor, for maps that are there already."""

    def __init__(self, chain: Chain, maps: Tensor) -> None:
        self.maps = maps
        self.model = nn.Module()
        self.model.forward = lambda x: chain.represent(x)["classifier"]  # type: ignore[method-assign]

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        return cams[0]

    @contextmanager
    def _hooks_off(self) -> Iterator[None]:
        yield


def test_no_image_is_asked_about_twice(tiny_chain: Build) -> None:
    chain = fitted(tiny_chain())
    seen: list[int] = []
    chain.convolution.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    curves(chain, pixels(3), [0, 1, 2], random_map(3, 16, 16, 0), steps=5)
    # whole, blurred, and once zero; insertion into zeros and into blur, deletion to zeros: 4 steps each
    assert sum(seen) == 3 + 3 + 1 + 3 * 3 * 4
    seen.clear()
    curves(chain, pixels(3), [0, 1, 2], random_map(3, 16, 16, 0), steps=5, definitions=FADING)
    assert sum(seen) == 3 + 1 + 2 * 3 * 4


def test_both_definitions_meet_at_the_ends(tiny_chain: Build) -> None:
    chain, images, labels = fitted(tiny_chain()), pixels(6), torch.tensor([0, 1, 2, 0, 1, 2])
    found = curves(chain, images, labels, random_map(6, 16, 16, 0), steps=10)
    assert list(found) == list(DEFINITIONS) == ["accuracy", "probability"]
    with torch.no_grad():
        probability = chain(images)["probability"]
    np.testing.assert_allclose(found["probability"].deletion[:, 0], probability.amax(dim=1), atol=1e-6)
    assert (found["accuracy"].insertion[:, -1] == (probability.argmax(dim=1) == labels).numpy()).all()
    for each in found.values():
        assert (each.insertion[:, -1] == each.deletion[:, 0]).all()
        assert each.shares[[0, -1]].tolist() == [0, 1]
    assert (found["accuracy"].insertion[:, 0] == found["accuracy"].deletion[:, -1]).all()


class Sum(Chain):
    """The logit of class 1 is the sum of the pixels: which of them counts how much is known."""

    spaces = ("feature", "classifier", "probability")

    def __init__(self, size: int) -> None:
        super().__init__(1, size)
        self.head = nn.Linear(size * size, 2)
        nn.init.zeros_(self.head.bias)
        with torch.no_grad():
            self.head.weight.copy_(torch.stack([torch.zeros(size * size), torch.ones(size * size)]))

    def represent(self, images: Tensor) -> Spaces:
        return classify(images.flatten(1), self.head)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_order_beats_the_true_one(seed: int) -> None:
    images = torch.rand(1, 1, 6, 6, generator=torch.Generator().manual_seed(seed)) / 9

    def areas(maps: Tensor) -> tuple[float, float]:
        insertion, deletion = curves(Sum(6), images, [1], maps, steps=36, definitions=FADING)["fading"].areas()
        return float(insertion[0]), float(deletion[0])

    best, chance, worst = areas(images[:, 0]), areas(random_map(1, 6, 6, seed)), areas(-images[:, 0])
    assert best[0] > chance[0] > worst[0]
    assert best[1] < chance[1] < worst[1]


def test_deletion_is_insertion_of_the_rest(tiny_chain: Build) -> None:
    chain, maps = fitted(tiny_chain()), random_map(4, 16, 16, 0)
    one, other = (curves(chain, pixels(4), [0, 1, 2, 0], m, steps=16, definitions=FADING) for m in (maps, -maps))
    np.testing.assert_allclose(one["fading"].deletion, other["fading"].insertion[:, ::-1], atol=1e-6)


def test_areas_are_trapezoids_over_the_shares() -> None:
    found = Curves(np.array([0, 0.5, 1]), np.array([[0.0, 1, 1]]), np.array([[1.0, 0, 0]]), np.zeros(1))
    assert [area.tolist() for area in found.areas()] == [[0.75], [0.25]]


def test_ties_go_by_pixel_and_are_told() -> None:
    maps = torch.tensor([[[1.0, 3.0, 1.0], [2.0, 1.0, 0.0]]])
    assert ranked(maps).tolist() == [[2, 0, 3, 1, 4, 5]]
    assert tied(maps).tolist() == [0.5]
    assert ranked(torch.zeros(2, 2, 2)).tolist() == [[0, 1, 2, 3]] * 2
    assert tied(torch.zeros(2, 2, 2)).tolist() == [1, 1]
    assert tied(random_map(2, 5, 5, 0)).tolist() == [0, 0]


def test_a_map_that_says_nothing_has_curves(tiny_chain: Build) -> None:
    found = curves(fitted(tiny_chain()), pixels(2), [0, 1], torch.zeros(2, 16, 16), steps=4)["probability"]
    assert found.tied.tolist() == [1, 1]
    assert np.isfinite([found.insertion, found.deletion]).all()


def test_the_scale_of_a_map_is_free(tiny_chain: Build) -> None:
    chain, maps = fitted(tiny_chain()), random_map(3, 16, 16, 0)
    one, other = (curves(chain, pixels(3), [0, 1, 2], m, steps=8)["probability"] for m in (maps, 7 * maps.double() - 2))
    assert (one.insertion == other.insertion).all()
    assert (one.deletion == other.deletion).all()


def test_steps_are_counted_in_whole_pixels(tiny_chain: Build) -> None:
    found = curves(fitted(tiny_chain(size=8)), pixels(1, 1, 8), [0], random_map(1, 8, 8, 0), steps=10)["accuracy"]
    assert (found.shares * 64).tolist() == [0, 7, 13, 20, 26, 32, 39, 45, 52, 58, 64]


def test_more_images_than_a_block_and_any_batch_agree(tiny_chain: Build) -> None:
    chain, images, labels, maps = fitted(tiny_chain()), pixels(19), torch.arange(19) % 3, random_map(19, 16, 16, 0)
    one, other = (curves(chain, images, labels, maps, steps=6, batch=batch) for batch in (1, 500))
    for name in DEFINITIONS:
        assert one[name].insertion.shape == (19, 7)
        assert one[name].tied.shape == (19,)
        np.testing.assert_allclose(one[name].insertion, other[name].insertion, atol=1e-5)
        np.testing.assert_allclose(one[name].deletion, other[name].deletion, atol=1e-5)
    last = curves(chain, images[18:], labels[18:], maps[18:], steps=6)["probability"]
    np.testing.assert_allclose(last.deletion[0], one["probability"].deletion[18], atol=1e-5)


def test_half_precision_comes_close(tiny_chain: Build) -> None:
    chain, images, labels, maps = fitted(tiny_chain()), pixels(6), torch.arange(6) % 3, random_map(6, 16, 16, 0)
    exact = curves(chain, images, labels, maps, steps=8)["probability"]
    half = curves(chain, images, labels, maps, steps=8, precision="bf16")["probability"]
    assert half.deletion.dtype == np.float64
    for one, other in zip(exact.areas(), half.areas(), strict=True):
        np.testing.assert_allclose(one, other, atol=0.03)


def test_the_network_stays_as_it_was(tiny_chain: Build) -> None:
    chain = fitted(tiny_chain()).train()
    chain.normalisation.eval()
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    curves(chain, pixels(2), [0, 1], random_map(2, 16, 16, 0), steps=3)
    assert chain.training
    assert not chain.normalisation.training
    assert not any(value.is_inference() for value in chain.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in chain.state_dict().items())


def test_blur_keeps_an_even_image_and_scales_with_it() -> None:
    even = torch.ones(1, 2, 224, 224)
    torch.testing.assert_close(blurred(even)[:, :, 5:-5, 5:-5], even[:, :, 5:-5, 5:-5])
    for side, reach in ((32, 1), (64, 1), (128, 3), (224, 5)):
        dot = torch.zeros(1, 1, side, side)
        dot[..., side // 2, side // 2] = 1
        rows = blurred(dot)[0, 0].sum(dim=1).nonzero()
        assert len(rows) == 2 * reach + 1
    centre = blurred(dot)[0, 0, 112]
    assert float(centre[117] / centre[112]) == pytest.approx(np.exp(-0.5))


def test_bad_input_is_named(tiny_chain: Build) -> None:
    chain, images, labels, maps = fitted(tiny_chain()), pixels(2), [0, 1], random_map(2, 16, 16, 0)
    broken = maps.clone()
    broken[1, 3, 4] = torch.nan
    for changed, message in (
        ({"maps": maps[:, :8]}, r"maps: expected a value a pixel \(2, 16, 16\), not \(2, 8, 16\)"),
        ({"maps": broken}, "maps: NaN or infinite in 1 maps, first 1"),
        ({"labels": [0, 3]}, "labels: 3 of image 1 is no class; the network's are 0 to 2"),
        ({"labels": [0]}, "labels: expected integer class indices"),
        ({"labels": [0.5, 1.0]}, "labels: expected integer class indices"),
        ({"images": images[0]}, "expected images"),
        ({"steps": 1}, "steps: 1, expected 2 to 256"),
        ({"steps": 257}, "steps: 257, expected 2 to 256"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"definitions": {}}, "definitions: none given"),
        ({"chain": wrap(nn.Conv2d(1, 2, 3), {"maps": ""}, size=16)}, "no space 'classifier'"),
    ):
        arguments = {"chain": chain, "images": images, "labels": labels, "maps": maps} | changed
        with pytest.raises(InputError, match=message):
            curves(**arguments)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (("probabilty", "true", "zero", "zero"), "unknown score 'probabilty': did you mean 'probability'"),
        (("accuracy", "best", "zero", "zero"), "unknown target 'best'"),
        (("accuracy", "true", "zeros", "zero"), "unknown substrate 'zeros': did you mean 'zero'"),
    ],
)
def test_a_definition_says_what_it_knows(parts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Definition(*parts)
