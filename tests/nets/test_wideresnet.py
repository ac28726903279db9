"""Wide residual networks: leaky rectifiers and slow statistics, and the plain form unchanged by them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise import nets
from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.nets.wideresnet import Wide, WideResNet


def block_of(previous: int, channels: int, stride: int, leak: float) -> Wide:
    """One block in evaluation mode whose statistics, scales and offsets are all its own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = Wide(previous, channels, stride, leak, 0.1).eval()
        for layer in (block.bn1, block.bn2):
            for values in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return block


def written_out(block: Wide, maps: Tensor, rectify: Callable[[Tensor], Tensor], stride: int) -> Tensor:
    """The block in plain torch: normalise, rectify, convolve, twice; the shortcut behind the first rectifier."""

    def normalised(values: Tensor, layer: nn.BatchNorm2d) -> Tensor:
        return functional.batch_norm(values, layer.running_mean, layer.running_var, layer.weight, layer.bias)

    active = rectify(normalised(maps, block.bn1))
    inner = functional.conv2d(active, block.conv1.weight, stride=stride, padding=1)
    inner = functional.conv2d(rectify(normalised(inner, block.bn2)), block.conv2.weight, padding=1)
    if block.shortcut is None:
        return inner + maps
    return inner + functional.conv2d(active, block.shortcut.weight, stride=stride)


@pytest.mark.parametrize(("previous", "channels", "stride"), [(4, 4, 1), (4, 6, 2)])
@pytest.mark.parametrize("leak", [0.0, 0.1, 0.5])
def test_a_block_is_what_it_says(previous: int, channels: int, stride: int, leak: float) -> None:
    block = block_of(previous, channels, stride, leak)
    maps = torch.randn(2, previous, 8, 8, generator=torch.Generator().manual_seed(1))
    before = maps.clone()
    with torch.no_grad():
        found = block(maps)
        expected = written_out(block, before, lambda values: values.where(values > 0, leak * values), stride)
    torch.testing.assert_close(found, expected)
    assert torch.equal(maps, before), "the space before it was overwritten"


def test_without_a_leak_it_is_the_relu_bit_for_bit() -> None:
    block = block_of(4, 6, 2, 0.0)
    maps = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(block(maps), written_out(block, maps, torch.relu, 2))


def drawn(**options: float) -> WideResNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nets.wrn28_2(3, 1, 16, **options)


def test_options_change_no_weight() -> None:
    plain, leaky = drawn().state_dict(), drawn(leak=0.1, momentum=0.001).state_dict()
    assert plain.keys() == leaky.keys()
    assert all(torch.equal(value, leaky[name]) for name, value in plain.items())


def test_the_last_rectifier_leaks_too() -> None:
    """Its maps are the space `stage3`: the negative ones are a tenth of what the normalisation gave."""
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    chain = drawn(leak=0.1).eval()
    caught: list[Tensor] = []
    chain.bn.register_forward_hook(lambda _layer, _inputs, output: caught.append(output.clone()))
    with torch.no_grad():
        found = chain(images)["stage3"]
        torch.testing.assert_close(found, functional.leaky_relu(caught[0], 0.1))
        assert (found < 0).any()
        assert (drawn().eval()(images)["stage3"] >= 0).all()


def test_momentum_is_the_share_of_the_new_batch_throughout() -> None:
    chain = drawn(momentum=0.25).train()
    layers = [layer for layer in chain.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert [layer.momentum for layer in layers] == [0.25] * 25
    assert {layer.momentum for layer in drawn().modules() if isinstance(layer, nn.BatchNorm2d)} == {0.1}
    with torch.no_grad():
        stem = chain(torch.rand(4, 1, 16, 16))["stem"]
    torch.testing.assert_close(layers[0].running_mean, 0.25 * stem.mean(dim=(0, 2, 3)))


def test_what_it_was_made_with_is_remembered() -> None:
    assert description(drawn(leak=0.1, momentum=0.001)) == {
        "name": "wrn28-2", "size": 16, "leak": 0.1, "momentum": 0.001,
    }  # fmt: skip
    assert (nets.wrn28_10(3, leak=0.2).leak, drawn().leak) == (0.2, 0.0)


@pytest.mark.parametrize("build", [nets.wrn28_2, nets.wrn28_10])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leak": -0.1}, "leak is the slope for negative values, 0 (ReLU) or more and below 1, not -0.1"),
        ({"leak": 1.0}, "not 1.0"),
        ({"leak": float("nan")}, "not nan"),
        ({"momentum": 0.0}, "momentum is the share of the new batch, above 0 and at most 1, not 0.0"),
        ({"momentum": 1.1}, "not 1.1"),
        ({"momentum": float("nan")}, "not nan"),
    ],
)
def test_slopes_and_shares_out_of_range_are_refused(
    build: Callable[..., WideResNet], options: dict[str, float], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        build(3, 1, 16, **options)
    said = str(caught.value)
    assert said.startswith(build.__name__.replace("_", "-") + ": ")
    assert message in said
    assert "\n" not in said
