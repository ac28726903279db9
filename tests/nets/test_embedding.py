"""NetA to NetF: which spaces they have, and what of them starts from given weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from spacewise import files, nets
from spacewise.errors import InputError
from spacewise.nets import output_sizes
from spacewise.nets.chain import largest
from spacewise.nets.embedding import CONVOLUTIONS, EmbeddingVGG
from spacewise.nets.preprocess import Preprocess
from spacewise.nets.vgg import convolutions

BUILD: dict[str, Callable[..., EmbeddingVGG]] = {
    name: getattr(nets, name) for name in ("netA", "netB", "netC", "netD", "netE", "netF")
}
GIVEN = [name for name in BUILD if name != "netC"]
POOLS = (
    "pool1.1", "pool1.2", "pool2.1", "pool2.2", "pool3.1", "pool3.2", "pool3.3",
    "pool4.1", "pool4.2", "pool4.3", "pool5.1", "pool5.2", "pool5.3",
)  # fmt: skip
LAYERS = {
    "netA": ("fc6",),
    "netB": ("fc6",),
    "netC": ("fc6",),
    "netD": (),
    "netE": ("fc6", "fc7"),
    "netF": ("fc6", "fc7", "fc8"),
}
SCRATCH = {"netB": "features.40"}  # conv5.3 of VGG16 with batch normalisation


def built(name: str, seed: int = 0, **options: Any) -> EmbeddingVGG:
    """A narrow network of random weights that follow from the seed."""
    given = {"width": 8} | ({} if name == "netD" else {"dimension": 6}) | options
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BUILD[name](3, 1, 32, **given)


def some_images() -> Tensor:
    return torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Convolutions that somebody trained, as torchvision names them."""
    torch.manual_seed(7)
    trained = nn.ModuleDict({"features": convolutions(1, normalisation=True, width=8)})
    for values in trained.state_dict().values():
        if values.is_floating_point():
            values.add_(0.1 * torch.rand(values.shape))
    return dict(trained.state_dict())


@pytest.fixture
def weights(state: dict[str, Tensor], tmp_path: Path) -> Path:
    save_file(state, tmp_path / "vgg16_bn.safetensors")
    return tmp_path / "vgg16_bn.safetensors"


# Spaces


@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("name", BUILD)
def test_spaces_and_their_sizes(name: str, head: bool) -> None:
    chain = built(name, head=head)
    ends = ("classifier", "probability") if head else ()
    assert chain.spaces == (*POOLS, *LAYERS[name], *ends)
    channels = (8, 8, 16, 16, 32, 32, 32, 64, 64, 64, 64, 64, 64)
    sizes = dict(zip(POOLS, ((count,) for count in channels), strict=True))
    sizes |= dict.fromkeys(LAYERS[name], (6,)) | dict.fromkeys(ends, (3,))
    assert output_sizes(chain) == sizes


def test_full_width_is_vgg16() -> None:
    with torch.device("meta"):
        chain = nets.netF(100)
    assert sum(p.numel() for p in chain.features.parameters()) == 14_714_688 + 8_448
    assert sum(p.numel() for p in chain.embeddings.parameters()) == 3 * (512 * 512 + 512)
    assert chain.size == 224
    assert chain.bands == 3


def test_parameters_are_named_as_in_torchvision() -> None:
    """There, a convolution is followed by its normalisation, a rectifier and, at a block's end, a pooling."""
    places = (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)
    running = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = [
        name
        for place in places
        for name in (
            f"features.{place}.weight",
            f"features.{place}.bias",
            *(f"features.{place + 1}.{kind}" for kind in running),
        )
    ]
    assert [name for name in built("netE").state_dict() if name.startswith("features.")] == expected
    with torch.device("meta"):
        reference = nets.vgg16(3, 1, 32, normalisation=True).state_dict()
    assert [name for name in reference if name.startswith("features.")] == expected


def test_pools_are_the_largest_values_behind_the_rectifiers() -> None:
    chain = built("netA").eval()
    images = some_images()
    with torch.no_grad():
        found, maps, names = chain(images), images, iter(CONVOLUTIONS)
        for layer in chain.features:
            maps = layer(maps.clone())
            if isinstance(layer, nn.ReLU):
                torch.testing.assert_close(found[f"pool{next(names)}"], maps.amax((2, 3)))


def test_embedding_layers_are_read_before_the_rectifier_between_them() -> None:
    chain = built("netF", head=True).eval()
    with torch.no_grad():
        found = chain(some_images())
        assert (found["fc6"] < 0).any()
        below = {"fc6": found["pool5.3"], "fc7": found["fc6"].relu(), "fc8": found["fc7"].relu()}
        for name, values in below.items():
            torch.testing.assert_close(found[name], chain.embeddings[name](values))
        last = chain.last_layer()
        assert last is not None
        torch.testing.assert_close(found["classifier"], last(found["fc8"].relu()))


def test_the_head_of_netd_stands_on_the_last_convolution() -> None:
    chain = built("netD", head=True).eval()
    with torch.no_grad():
        found = chain(some_images())
        torch.testing.assert_close(found["classifier"], chain.last_layer()(found["pool5.3"]))


def test_fc6_is_the_same_whether_it_comes_last_or_not(weights: Path) -> None:
    last, below = built("netA", weights=str(weights)).eval(), built("netE", seed=1, weights=str(weights)).eval()
    below.embeddings["fc6"].load_state_dict(last.embeddings["fc6"].state_dict())
    with torch.no_grad():
        assert torch.equal(last(some_images())["fc6"], below(some_images())["fc6"])


def test_the_largest_value_is_that_over_all_positions() -> None:
    maps = torch.randn(3, 5, 4, 7, requires_grad=True)
    assert torch.equal(largest(maps), maps.amax((2, 3)))
    weight = torch.randn(3, 5)
    (found,) = torch.autograd.grad((largest(maps) * weight).sum(), maps)
    (expected,) = torch.autograd.grad((maps.amax((2, 3)) * weight).sum(), maps)
    assert torch.equal(found, expected)
    flat = torch.zeros(1, 1, 3, 3, requires_grad=True)
    largest(flat).sum().backward()
    assert float(flat.grad.sum()) == 1  # of equal values, one takes the gradient


# Starting from given weights


@pytest.mark.parametrize("name", GIVEN)
def test_convolutions_start_from_the_file_and_the_rest_from_scratch(
    name: str, weights: Path, state: dict[str, Tensor]
) -> None:
    plain, filled = built(name, head=True), built(name, head=True, weights=str(weights))
    scratch = (SCRATCH[name], "features.41") if name in SCRATCH else ()
    for key, values in filled.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        given = key.startswith("features.") and key.rpartition(".")[0] not in scratch
        assert torch.equal(values, state[key] if given else plain.state_dict()[key]), key


@pytest.mark.parametrize("name", GIVEN)
def test_what_was_given_is_known_by_name(name: str, weights: Path) -> None:
    assert built(name).given == ()
    given = built(name, weights=str(weights)).given
    kinds = [f"features.{place}.{kind}" for place in (0, 1, 3, 4) for kind in ("weight", "bias")]
    assert list(given[:8]) == kinds
    assert len(given) == 4 * (12 if name == "netB" else 13)
    assert any(key.startswith("features.40.") for key in given) == (name != "netB")


def test_netc_takes_no_weights(weights: Path) -> None:
    with pytest.raises(TypeError):
        built("netC", weights=str(weights))


def assert_filled(chain: EmbeddingVGG, state: dict[str, Tensor]) -> None:
    for key in ("features.0.weight", "features.1.running_var", "features.40.bias"):
        assert torch.equal(chain.state_dict()[key], state[key]), key


@pytest.mark.parametrize("zipped", [True, False])
def test_files_that_torch_writes_are_read(state: dict[str, Tensor], tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "vgg16_bn.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    assert_filled(built("netA", weights=str(path)), state)


def test_a_file_of_a_trainer_is_read(state: dict[str, Tensor], tmp_path: Path) -> None:
    """Epoch and optimizer beside the weights, which a parallel wrapper has renamed."""
    path = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    assert_filled(built("netF", weights=str(path)), state)


def test_a_network_of_our_own_is_read(tmp_path: Path) -> None:
    """As a run writes it: VGG16 for pixels of three bands, with the numbers that standardise them."""
    torch.manual_seed(3)
    parts = {"preprocess": Preprocess(3), "features": convolutions(3, normalisation=True, width=8)}
    saved = nn.ModuleDict({**parts, "classifier": nn.Sequential(nn.Linear(4, 2))}).state_dict()
    saved["preprocess.mean"] += 9
    path = tmp_path / "weights" / "best.safetensors"
    files.write_tensors(path, saved, {"epoch": 1})
    filled = nets.netA(2, 3, 32, width=8, weights=str(path))
    assert_filled(filled, saved)
    assert not filled.preprocess.mean.any(), "mean and deviation are those of the images it will be trained on"


def test_a_missing_file_says_what_to_fetch() -> None:
    with pytest.raises(InputError, match=r"weights none.pth do not exist; fetch torchvision's vgg16_bn-6c64b313.pth"):
        built("netA", weights="none.pth")


def test_weights_that_do_not_fit_say_where(state: dict[str, Tensor], weights: Path, tmp_path: Path) -> None:
    hint = "check bands, width and normalisation"
    with pytest.raises(InputError) as caught:
        built("netA", width=16, weights=str(weights))
    assert f"'features.0.weight' is (8, 1, 3, 3), the network takes (16, 1, 3, 3); {hint}" in str(caught.value)
    with pytest.raises(InputError) as caught:
        nets.netA(3, 3, 32, width=8, weights=str(weights))
    assert "'features.0.weight' is (8, 1, 3, 3), the network takes (8, 3, 3, 3)" in str(caught.value)
    plain = nn.ModuleDict({"features": convolutions(1, normalisation=False, width=8)})
    torch.save(plain.state_dict(), tmp_path / "vgg16.pth")
    with pytest.raises(InputError) as caught:
        built("netA", weights=str(tmp_path / "vgg16.pth"))
    assert f"vgg16.pth have no 'features.1.weight'; {hint}" in str(caught.value)


def test_a_convolution_that_is_not_there_cannot_start_from_scratch(weights: Path) -> None:
    with pytest.raises(InputError, match=r"unknown convolution to start from scratch 'conv5.4': did you mean 'conv5"):
        built("netA").start_from(str(weights), ["conv5.4"])


def test_weights_are_part_of_the_description(weights: Path) -> None:
    described = {"name": "netB", "width": 8, "dimension": 6, "weights": str(weights)}
    assert built("netB", weights=str(weights)).description.items() >= described.items()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 12}, "width is the first convolution's channels, a multiple of 8, not 12"),
        ({"width": 0}, "a multiple of 8, not 0"),
        ({"dimension": 0}, "dimension of the embedding layers must be 1 or more, not 0"),
    ],
)
def test_numbers_that_make_no_network_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        built("netA", **options)
