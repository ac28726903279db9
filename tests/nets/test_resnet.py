"""Residual networks: sizes of the papers, torchvision's names, given weights, bands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spacewise import nets
from spacewise.errors import InputError
from spacewise.nets import Chain, output_sizes, parameter_count
from spacewise.nets.resnet import Padded


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        ("resnet20", 10, 269_722),  # 0.27 million in He et al. 2016, Table 6
        ("resnet56", 10, 853_018),  # 0.85 million
        ("resnet18", 1000, 11_689_512),  # as torchvision's
        ("resnet50", 1000, 25_557_032),
        ("wrn28-10", 10, 36_479_194),  # 36.5 million in Zagoruyko and Komodakis, Table 4
        ("wrn28-2", 10, 1_467_610),
    ],
)
def test_parameters_are_the_papers(name: str, classes: int, parameters: int) -> None:
    assert parameter_count(nets.NETS[name](classes)) == parameters


def test_names_are_torchvisions() -> None:
    names = [name for name, _ in nets.resnet50(1000).named_parameters()]
    for name in ("conv1.weight", "bn1.bias", "layer1.0.downsample.1.weight", "layer4.2.conv3.weight", "fc.bias"):
        assert name in names
    assert "layer2.0.downsample.0.weight" in dict(nets.resnet18(10).named_parameters())


@pytest.mark.parametrize(("stem", "sides"), [("imagenet", (16, 16, 8, 4, 2)), ("small", (64, 64, 32, 16, 8))])
def test_the_small_stem_keeps_the_size(stem: str, sides: tuple[int, ...]) -> None:
    sizes = output_sizes(nets.resnet18(3, 2, 64, stem=stem))
    assert tuple(sizes[name][1] for name in ("stem", "stage1", "stage2", "stage3", "stage4")) == sides


@pytest.mark.parametrize("bands", [1, 3, 7])
@pytest.mark.parametrize("name", ["resnet18", "resnet20", "wrn28-2"])
def test_any_number_of_bands(name: str, bands: int) -> None:
    assert output_sizes(nets.NETS[name](3, bands, 32))["classifier"] == (3,)


def test_the_shortcut_of_the_cifar_form_learns_nothing() -> None:
    maps = torch.arange(2 * 2 * 4 * 4.0).view(2, 2, 4, 4)
    found = Padded(3)(maps)
    assert found.shape == (2, 5, 2, 2)
    assert torch.equal(found[:, 1:3], maps[:, :, ::2, ::2])
    assert not found[:, 0].any()
    assert not found[:, 3:].any()
    assert not any("downsample" in name for name, _ in nets.resnet20(10).named_parameters())


@pytest.mark.parametrize("name", ["resnet18", "resnet20", "wrn28-2"])
def test_a_space_is_not_overwritten_by_the_layers_behind_it(name: str) -> None:
    """Half of them work in place."""
    chain: Chain = nets.NETS[name](3, 1, 32)
    chain.eval()
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        spaces = chain(images)
        again = chain.get_submodule("layer1")(spaces["stem"].clone())
    torch.testing.assert_close(spaces["stage1"], again)


def test_all_but_the_last_layer_start_from_given_weights(tmp_path: Path) -> None:
    given = nets.resnet18(5, 3, 32)
    save_file({k: v.contiguous() for k, v in given.state_dict().items()}, tmp_path / "given.safetensors")
    chain = nets.resnet18(3, 3, 64, weights=str(tmp_path / "given.safetensors"))
    assert torch.equal(chain.layer3[1].conv2.weight, given.layer3[1].conv2.weight)
    assert torch.equal(chain.bn1.running_var, given.bn1.running_var)
    assert "layer4.1.bn2.weight" in chain.given
    assert not {"fc.weight", "fc.bias"} & {*chain.given}
    with pytest.raises(InputError, match=r"'conv1.weight' is \(64, 3, 7, 7\)"):
        nets.resnet18(3, 1, 64, weights=str(tmp_path / "given.safetensors"))
    with pytest.raises(InputError, match="do not exist; fetch torchvision's resnet18"):
        nets.resnet18(3, weights=str(tmp_path / "none.pth"))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(InputError, match="stem"):
        nets.resnet18(3, stem="big")
    with pytest.raises(InputError, match="use images of 32 pixels or more"):
        nets.resnet50(3, size=24)
    with pytest.raises(InputError, match="use images of 8 pixels or more"):
        nets.wrn28_2(3, size=4)
