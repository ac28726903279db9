"""Every network as a chain of named spaces, and any module wrapped as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spacewise import nets
from spacewise.errors import InputError
from spacewise.nets import Chain, output_sizes, parameter_count, read_space, wrap
from spacewise.nets.chain import Wrapped
from spacewise.nets.preprocess import Preprocess
from spacewise.nets.projected import Projected

CLASSES = 3
SMALL = {"width": 8, "dimension": 6}
SAME = {"name": "aconvnet", "padding": "same"}
LEAKY = {"name": "wrn28-2", "leak": 0.1, "momentum": 0.001}
# The smallest image that each network takes, and how it is built for it.
SMALLEST: dict[str, tuple[int, Callable[[int], Chain]]] = {
    "aconvnet": (96, lambda size: nets.aconvnet(CLASSES, 1, size)),
    "aconvnet, same": (16, lambda size: nets.aconvnet(CLASSES, 1, size, padding="same")),
    "aconvnet, average": (16, lambda size: nets.aconvnet(CLASSES, 1, size, padding="same", pooling="average")),
    "spp": (72, lambda size: nets.spp(CLASSES, 1, size)),
    "ding": (48, lambda size: nets.ding(CLASSES, 1, size)),
    "caffenet": (67, lambda size: nets.caffenet(CLASSES, 1, size)),
    "vgg16": (32, lambda size: nets.vgg16(CLASSES, 1, size)),
    "densenet121": (32, lambda size: nets.densenet121(CLASSES, 1, size)),
    "densenet121, small": (8, lambda size: nets.densenet121(CLASSES, 1, size, stem="small")),
    "mobilenet-v2": (32, lambda size: nets.mobilenet_v2(CLASSES, 1, size)),
    "mobilenet-v2, small": (8, lambda size: nets.mobilenet_v2(CLASSES, 1, size, stem="small")),
    "resnet18": (32, lambda size: nets.resnet18(CLASSES, 1, size)),
    "resnet18, small": (8, lambda size: nets.resnet18(CLASSES, 1, size, stem="small")),
    "resnet20": (8, lambda size: nets.resnet20(CLASSES, 1, size)),
    "resnet50": (32, lambda size: nets.resnet50(CLASSES, 1, size)),
    "resnet56": (8, lambda size: nets.resnet56(CLASSES, 1, size)),
    "wrn28-2": (8, lambda size: nets.wrn28_2(CLASSES, 1, size)),
    "wrn28-10": (8, lambda size: nets.wrn28_10(CLASSES, 1, size)),
    "netA": (16, lambda size: nets.netA(CLASSES, 1, size, **SMALL, head=True)),
    "netA, no head": (16, lambda size: nets.netA(CLASSES, 1, size, **SMALL)),
    "netB": (16, lambda size: nets.netB(CLASSES, 1, size, **SMALL)),
    "netC": (16, lambda size: nets.netC(CLASSES, 1, size, **SMALL)),
    "netD": (16, lambda size: nets.netD(CLASSES, 1, size, width=8, head=True)),
    "netE": (16, lambda size: nets.netE(CLASSES, 1, size, **SMALL)),
    "netF": (16, lambda size: nets.netF(CLASSES, 1, size, **SMALL, head=True)),
    "branch": (8, lambda size: nets.branch(CLASSES, 1, size)),
    "y-shaped": (8, lambda size: nets.y_shaped(CLASSES, 1, size)),
    "y-shaped, instance": (16, lambda size: nets.y_shaped(CLASSES, 1, size, encoder=SAME, normalisation="instance")),
    "projected": (32, lambda size: nets.projected(CLASSES, 1, size)),
    "projected, same": (16, lambda size: nets.projected(CLASSES, 1, size, encoder=SAME)),
    "projected, leaky": (8, lambda size: nets.projected(CLASSES, 1, size, encoder=LEAKY)),
}


VISION = {"densenet121", "mobilenet-v2"}  # built by the extra


@pytest.fixture(scope="module", params=SMALLEST)
def chain(request: pytest.FixtureRequest) -> Iterator[Chain]:
    """Each network, built for the smallest image, in evaluation mode."""
    if request.param.partition(",")[0] in VISION and find_spec("timm") is None:
        pytest.skip(f"{request.param} needs the extra vision")
    size, build = SMALLEST[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield build(size).eval()


def images_for(chain: Chain, samples: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(samples, chain.bands, chain.size, chain.size, generator=generator)


@pytest.fixture(scope="module")
def spaces(chain: Chain) -> dict[str, Tensor]:
    with torch.no_grad():
        return chain(images_for(chain))


# What every network holds to


def test_every_network_of_the_table_is_here() -> None:
    assert {name.partition(",")[0] for name in SMALLEST} == set(nets.NETS)


def test_spaces_come_by_name_in_order(chain: Chain, spaces: dict[str, Tensor]) -> None:
    assert tuple(spaces) == chain.spaces
    assert all(len(values) == 2 and values.isfinite().all() for values in spaces.values())


def test_sizes_of_spaces_are_those_of_the_forward_pass(chain: Chain, spaces: dict[str, Tensor]) -> None:
    assert output_sizes(chain) == {name: tuple(values.shape[1:]) for name, values in spaces.items()}


def test_a_last_layer_stands_before_classifier_and_probability(chain: Chain, spaces: dict[str, Tensor]) -> None:
    """A network without them is under losses that compare, and is asked by retrieval."""
    layer = chain.last_layer()
    if layer is None:
        assert not {"feature", "classifier", "probability"} & {*chain.spaces}
        return
    assert chain.spaces[-2:] == ("classifier", "probability")
    assert output_sizes(chain)["classifier"] == (layer.out_features,) == (CLASSES,)
    assert spaces["probability"].dtype == torch.float32
    torch.testing.assert_close(spaces["probability"], spaces["classifier"].softmax(dim=1))


def test_the_last_layer_makes_the_classifier_of_the_feature(chain: Chain, spaces: dict[str, Tensor]) -> None:
    if "feature" not in spaces:
        return  # the last layer of NetA to NetF stands on an embedding layer
    beside = {"embedding"} if isinstance(chain, Projected) else set()
    assert [name for name in chain.spaces if name not in beside][-3:] == ["feature", "classifier", "probability"]
    layer = chain.last_layer()
    assert layer is not None
    with torch.no_grad():
        torch.testing.assert_close(layer(spaces["feature"]), spaces["classifier"])


def test_a_gradient_flows_to_every_space(chain: Chain) -> None:
    first = next(chain.parameters())
    found = chain(images_for(chain))
    for name, values in found.items():
        squares = values.float().flatten(1).square()
        uneven = torch.linspace(1, 2, squares.shape[1])  # their plain sum is 1 in a space of unit length
        (gradient,) = torch.autograd.grad((squares @ uneven).sum(), first, retain_graph=True)
        assert gradient.isfinite().all(), name
        assert gradient.any(), name


def test_channels_last_computes_the_same(chain: Chain, spaces: dict[str, Tensor]) -> None:
    images = images_for(chain).to(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            found = chain.to(memory_format=torch.channels_last)(images)
    finally:
        chain.to(memory_format=torch.contiguous_format)
    for name, values in spaces.items():
        torch.testing.assert_close(found[name], values, rtol=1e-5, atol=1e-5 * float(values.abs().max()), msg=name)


def test_stored_pixels_and_floats_are_seen_alike(chain: Chain) -> None:
    pixels = (images_for(chain) * 255).byte()
    with torch.no_grad():
        last = chain.spaces[-1]
        assert torch.equal(chain(pixels)[last], chain(pixels.float())[last])


@pytest.mark.parametrize("name", SMALLEST)
def test_smaller_images_are_one_line(name: str) -> None:
    size, build = SMALLEST[name]
    said_by = {"branch": "resnet20", "y-shaped": "resnet20", "y-shaped, instance": "aconvnet"}  # the encoder says it
    said_by |= {"projected": "resnet18", "projected, same": "aconvnet", "projected, leaky": "wrn28-2"}
    own = "NetA to NetF" if name.startswith("net") else said_by.get(name, name.partition(",")[0])
    for small in (size - 1, 1, 0):
        with pytest.raises(InputError, match=rf"{own}: {small} x {small} pixels are too few"):
            build(small)


# What single networks hold to


def test_aconvnet_as_printed() -> None:
    chain = nets.aconvnet(10)
    sizes = output_sizes(chain)
    assert [sizes[f"block{n}"] for n in range(1, 6)] == [
        (16, 62, 62), (32, 29, 29), (64, 12, 12), (128, 8, 8), (128, 3, 3),
    ]  # fmt: skip
    assert sizes["feature"] == (256,)
    assert sizes["classifier"] == sizes["probability"] == (10,)
    assert parameter_count(chain) == 737_658


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_block_pools_after_its_rectifier(pooling: str) -> None:
    block = nets.aconvnet(CLASSES, 1, 16, padding="same", pooling=pooling).get_submodule("block1").eval()
    images = torch.randn(2, 1, 16, 16)
    pool = {"max": nn.functional.max_pool2d, "average": nn.functional.avg_pool2d}[pooling]
    with torch.no_grad():
        expected = pool(block.normalisation(block.convolution(images)).relu(), 2)
        torch.testing.assert_close(block(images), expected)


def test_aconvnet_refuses_unknown_options() -> None:
    with pytest.raises(InputError, match="unknown pooling 'mean'"):
        nets.aconvnet(CLASSES, pooling="mean")
    with pytest.raises(InputError, match="unknown padding 'sam': did you mean 'same'"):
        nets.aconvnet(CLASSES, padding="sam")


def test_spp_takes_images_of_any_size() -> None:
    chain = nets.spp(CLASSES, 1, 72).eval()
    with torch.no_grad():
        sizes = [tuple(chain(torch.rand(1, 1, *side))["pyramid"].shape) for side in ((72, 72), (100, 90))]
    assert sizes == [(1, 2688), (1, 2688)]


def test_vgg16_has_the_parameters_that_weight_files_have() -> None:
    with torch.device("meta"):
        chain = nets.vgg16(1000)
        normalised = nets.vgg16(1000, normalisation=True)
    assert parameter_count(chain) == 138_357_544
    assert parameter_count(normalised) == 138_365_992
    names = [name for name in chain.state_dict() if not name.startswith("preprocess.")]
    convolutions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    layers = [f"features.{n}" for n in convolutions] + [f"classifier.{n}" for n in (0, 3, 6)]
    assert names == [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]


def test_caffenet_has_the_parameters_of_the_reference() -> None:
    with torch.device("meta"):
        assert parameter_count(nets.caffenet(1000)) == 60_965_224


# Reading a space


def test_a_feature_map_is_read_as_vectors() -> None:
    maps = torch.rand(2, 3, 4, 5)
    for reading, expected in (("", maps.mean((2, 3))), (":mean", maps.mean((2, 3))), (":max", maps.amax((2, 3))),
                              (":flatten", maps.reshape(2, 60))):  # fmt: skip
        torch.testing.assert_close(read_space({"block": maps}, f"block{reading}"), expected)


def test_a_space_that_was_read_is_found_under_its_full_name() -> None:
    vectors = torch.rand(2, 3)
    assert read_space({"block:max": vectors}, "block:max") is vectors


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("blok", "unknown space 'blok': did you mean 'block'? (there are: block, feature)"),
        ("blok:max", "unknown space 'blok': did you mean 'block'?"),
        ("block:maxi", "unknown reading of a space 'maxi': did you mean 'max'? (there are: mean, max, flatten)"),
    ],
)
def test_a_space_that_is_not_there_is_named(name: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_space({"block": torch.rand(2, 3, 4, 4), "feature": torch.rand(2, 3)}, name)
    assert message in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 7), (2, 5, 7)])
def test_a_reading_that_does_not_fit_is_not_ignored(shape: tuple[int, ...]) -> None:
    """Maxima over the positions of what has none, or of tokens, would silently be something else."""
    with pytest.raises(InputError):
        read_space({"tokens": torch.rand(shape)}, "tokens:max")


def test_check_space_suggests(tiny_chain: Callable[..., Chain]) -> None:
    tiny_chain().check_space("maps:flatten")
    with pytest.raises(InputError, match="unknown space 'map': did you mean 'maps'"):
        tiny_chain().check_space("map")


@pytest.mark.parametrize("training", [True, False])
def test_asking_for_sizes_leaves_no_trace(training: bool, tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain().train(training)
    before = {name: value.clone() for name, value in chain.state_dict().items()}
    output_sizes(chain)
    assert chain.training is training
    assert all(torch.equal(value, before[name]) for name, value in chain.state_dict().items())


# Any module as a chain


class Foreign(nn.Module):
    """Somebody's network, with what such networks do: nesting, and rectifiers that write in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.trunk = nn.ModuleDict({"one": nn.Conv2d(4, 6, 3, stride=2)})
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, CLASSES)
        self.aside = nn.Linear(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.trunk["one"](self.stem(images)).relu_()
        return self.fc(self.pool(maps).flatten(1))


SPACES = {"stem": "stem", "maps": "trunk.one", "feature": "pool", "classifier": "fc"}


@pytest.fixture
def foreign() -> Foreign:
    torch.manual_seed(0)
    return Foreign().eval()


@pytest.fixture
def wrapped(foreign: Foreign) -> Wrapped:
    return wrap(foreign, SPACES, bands=2, size=8)


def test_named_submodules_become_spaces(wrapped: Wrapped, foreign: Foreign) -> None:
    images = images_for(wrapped)
    found = wrapped(images)
    assert wrapped.spaces == tuple(found) == ("stem", "maps", "feature", "classifier", "probability")
    torch.testing.assert_close(found["classifier"], foreign(images))
    torch.testing.assert_close(found["stem"], foreign.stem(images))
    assert output_sizes(wrapped)["maps"] == (6, 3, 3)


def test_a_gradient_flows_to_every_space_through_the_wrapper(wrapped: Wrapped, foreign: Foreign) -> None:
    for name in wrapped.spaces:
        foreign.zero_grad()
        wrapped(images_for(wrapped))[name].square().sum().backward()
        assert foreign.stem[0].weight.grad.any(), name


def test_a_space_is_the_output_of_its_submodule_although_what_follows_writes_in_place(foreign: Foreign) -> None:
    images = torch.randn(2, 2, 8, 8)
    found = wrap(foreign, {"convolution": "stem.0", "normalised": "stem.1", "maps": "trunk.one"}, 2, 8)(images)
    with torch.no_grad():
        convolution = foreign.stem[0](images)
        normalised = foreign.stem[1](convolution)
        maps = foreign.trunk["one"](normalised.relu())
    torch.testing.assert_close(found["convolution"], convolution)
    torch.testing.assert_close(found["normalised"], normalised)
    torch.testing.assert_close(found["maps"], maps)


def test_the_last_layer_of_a_wrapped_module(wrapped: Wrapped, foreign: Foreign) -> None:
    assert wrapped.last_layer() is foreign.fc
    assert wrap(foreign, {"feature": "pool"}, 2, 8).last_layer() is None


def test_without_a_classifier_there_is_no_probability(foreign: Foreign) -> None:
    assert wrap(foreign, {"feature": "pool"}, 2, 8).spaces == ("feature",)


def test_weights_of_a_wrapped_module_are_its_own(wrapped: Wrapped, foreign: Foreign) -> None:
    names = {name.removeprefix("module.") for name in wrapped.state_dict() if name.startswith("module.")}
    assert names == set(foreign.state_dict())


def test_no_hook_stays_behind(wrapped: Wrapped, foreign: Foreign) -> None:
    wrapped(images_for(wrapped))
    with pytest.raises(InputError, match="2 bands"):
        wrapped(torch.rand(1, 5, 8, 8))
    with pytest.raises(RuntimeError):
        wrapped.represent(torch.rand(1, 5, 8, 8))
    assert not any(module._forward_hooks for module in foreign.modules())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trunk.on", "unknown submodule 'trunk.on': did you mean 'trunk.one'?"),
        ("pol", "unknown submodule 'pol': did you mean 'pool'?"),
        ("fc.weight", "unknown submodule 'fc.weight'"),
    ],
)
def test_an_unknown_submodule_suggests(foreign: Foreign, path: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        wrap(foreign, {"feature": path}, 2, 8)
    assert message in str(caught.value)


def test_a_submodule_that_gives_no_tensor_is_named(foreign: Foreign) -> None:
    with pytest.raises(InputError, match=r"space 'side' \(submodule 'aside'\) gave no tensor"):
        wrap(foreign, {"side": "aside"}, 2, 8)(torch.rand(1, 2, 8, 8))


def test_a_shared_submodule_is_known_by_each_of_its_names() -> None:
    shared = nn.Linear(4, 4)
    module = nn.Sequential(nn.Flatten(), nn.Sequential(shared), nn.ReLU(), nn.Sequential(shared))
    wrap(module, {"feature": "3.0"}, 1, 2)


@pytest.mark.parametrize("spaces", [{"a:max": "pool"}, {"a b": "pool"}, {"probability": "pool", "classifier": "fc"}])
def test_names_that_no_term_can_say_are_refused(foreign: Foreign, spaces: dict[str, str]) -> None:
    with pytest.raises(InputError):
        wrap(foreign, spaces, 2, 8)


# From stored pixels to the first layer


def test_fresh_preprocessing_changes_only_the_type() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(Preprocess(3)(pixels), pixels.float())


@pytest.mark.parametrize("amplitude", ["magnitude", "intensity"])
def test_bands_are_standardised_after_the_root_of_a_magnitude(amplitude: str) -> None:
    generator = np.random.default_rng(0)
    pixels = torch.from_numpy(generator.integers(0, 256, (20, 2, 8, 8), np.uint8) // np.array([1, 4])[:, None, None])
    preprocess = Preprocess(2)
    preprocess.fit(pixels, amplitude)
    seen = preprocess(pixels)
    torch.testing.assert_close(seen.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std((0, 2, 3)), torch.ones(2))
    values = pixels.double().sqrt() if amplitude == "magnitude" else pixels.double()
    expected = (values - values.mean((0, 2, 3), keepdim=True)) / values.std((0, 2, 3))[:, None, None]
    torch.testing.assert_close(seen.double(), expected, atol=1e-4, rtol=1e-4)


def test_preprocessing_is_saved_with_the_weights(tiny_chain: Callable[..., Chain]) -> None:
    one, other = tiny_chain(), tiny_chain()
    pixels = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8)
    one.preprocess.fit(pixels, "magnitude")
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.preprocess(pixels), one.preprocess(pixels))


def test_a_constant_band_and_negative_magnitudes_stay_finite() -> None:
    preprocess = Preprocess(1)
    preprocess.fit(torch.full((3, 1, 4, 4), 7.0), "magnitude")
    assert preprocess(torch.full((1, 1, 4, 4), -2.0)).isfinite().all()


def test_an_unknown_amplitude_is_refused() -> None:
    with pytest.raises(InputError, match="magnitude"):
        Preprocess(1).fit(torch.rand(2, 1, 4, 4), "magnitud")
