"""The averaged network: its weights by a plain formula, the statistics of its normalisation by a plain mean."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from spacewise.learn.average import Average
from spacewise.nets.chain import Chain, Spaces, classify

Build = Callable[..., Chain]


def images(number: int, seed: int = 0, bands: int = 1) -> Tensor:
    return torch.randint(256, (number, bands, 16, 16), generator=torch.Generator().manual_seed(seed)).byte()


def shake(net: nn.Module, seed: int) -> None:
    """Other weights and other statistics."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for values in (*net.parameters(), *(each for each in net.buffers() if each.is_floating_point())):
            values.add_(torch.rand(values.shape, generator=random))


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_decay_rises_to_its_value(tiny_chain: Build, decay: float) -> None:
    """decay_n = min(decay, (1 + n) / (10 + n)): 2/11 at the first step."""
    net = tiny_chain()
    average = Average(net, decay)
    expected = {name: value.detach().double() for name, value in net.named_parameters()}
    for number in range(1, 16):
        shake(net, number)
        average.follow(net)
        share = min(decay, (1 + number) / (10 + number))
        for name, value in net.named_parameters():
            expected[name] = share * expected[name] + (1 - share) * value.detach().double()
    assert int(average.steps) == 15
    for name, value in average.net.named_parameters():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-6, atol=1e-6, msg=name)
        assert not value.requires_grad


def test_long_after_the_start_it_is_its_value(tiny_chain: Build) -> None:
    net = tiny_chain()
    average = Average(net, 0.999)
    average.steps.fill_(8_989)
    before = average.net.head.weight.clone()
    shake(net, 1)
    average.follow(net)
    torch.testing.assert_close(average.net.head.weight, 0.999 * before + 0.001 * net.head.weight, rtol=1e-6, atol=1e-7)


def test_what_is_followed_stays_as_it_is(tiny_chain: Build) -> None:
    """Its weights, statistics, gradients and mode; and the copy shares no memory with it."""
    net = tiny_chain().train()
    net(images(4))["classifier"].sum().backward()
    before, gradient = state(net), net.head.weight.grad.clone()
    average = Average(net, 0.9)
    average.follow(net)
    average.copy_statistics(net)
    average.estimate_statistics([images(8)], "float32")
    assert net.training
    assert not average.net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(net.head.weight.grad, gradient)
    assert all(parameter.requires_grad for parameter in net.parameters())
    theirs = {value.data_ptr() for value in net.state_dict().values()}
    assert not theirs & {value.data_ptr() for value in average.net.state_dict().values()}


def test_statistics_are_copied(tiny_chain: Build) -> None:
    """All buffers, the preprocessing's too, and no weight."""
    net = tiny_chain()
    average = Average(net, 0.9)
    shake(net, 1)
    weights = {name: value.clone() for name, value in average.net.named_parameters()}
    average.copy_statistics(net)
    buffers = dict(average.net.named_buffers())
    assert {"normalisation.running_mean", "preprocess.mean"} <= buffers.keys()
    assert all(torch.equal(value, dict(net.named_buffers())[name]) for name, value in buffers.items())
    assert all(torch.equal(value, weights[name]) for name, value in average.net.named_parameters())


def by_hand(net: Chain, batches: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean over batches of the mean and of the unbiased variance of what the normalisation sees, in float64."""
    convolution = copy.deepcopy(net.convolution).double()
    maps = [convolution((batch.double() - net.preprocess.mean) / net.preprocess.deviation) for batch in batches]
    flat = [each.transpose(0, 1).flatten(1) for each in maps]
    means = torch.stack([torch.stack([row.sum() / row.numel() for row in each]) for each in flat])
    spread = [torch.stack([(row - row.mean()).square().sum() / (row.numel() - 1) for row in each]) for each in flat]
    return means.mean(0), torch.stack(spread).mean(0)


def test_estimated_statistics_are_those_of_a_plain_loop(tiny_chain: Build) -> None:
    """Of the averaged weights; whatever they were before, and twice the same."""
    net = tiny_chain()
    net.preprocess.fit(images(40), "intensity")
    average = Average(net, 0.9)
    shake(net, 1)
    average.follow(net)
    average.copy_statistics(net)
    pieces = list(images(40).split(10))
    layer = average.net.normalisation
    momentum = layer.momentum
    for _ in range(2):
        average.estimate_statistics(pieces, "float32")
        mean, variance = by_hand(average.net, pieces)
        torch.testing.assert_close(layer.running_mean.double(), mean, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(layer.running_var.double(), variance, rtol=1e-5, atol=1e-5)
    assert (layer.momentum, layer.training, int(layer.num_batches_tracked)) == (momentum, False, 4)
    whole = by_hand(average.net, [images(40)])
    torch.testing.assert_close(layer.running_mean.double(), whole[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.running_var.double(), whole[1], rtol=0.02, atol=1e-5)


def test_dropout_is_not_in_the_statistics(tiny_chain: Build) -> None:
    average = Average(tiny_chain(), 0.9)
    states = []
    for seed in range(2):
        torch.manual_seed(seed)
        average.estimate_statistics([images(8)], "float32")
        states.append(state(average.net))
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


class Bare(Chain):
    """No normalisation at all."""

    spaces = ("feature", "classifier", "probability")

    def __init__(self) -> None:
        super().__init__(1, 16)
        self.head = nn.Linear(256, 3)

    def represent(self, images: Tensor) -> Spaces:
        return classify(images.flatten(1), self.head)


def test_networks_without_batch_normalisation_are_left_alone() -> None:
    average = Average(Bare(), 0.9)
    shake(average.net, 1)
    before = state(average.net)
    average.estimate_statistics([images(8)], "float32")
    assert all(torch.equal(value, before[name]) for name, value in average.net.state_dict().items())


class Brightness(Chain):
    """Tells bright images from dark ones by the sign of their normalised, weighed brightness."""

    spaces = ("feature", "classifier", "probability")

    def __init__(self) -> None:
        super().__init__(1, 16)
        self.weigh = nn.Conv2d(1, 1, 1, bias=False)
        self.normalisation = nn.BatchNorm2d(1)
        self.head = nn.Linear(1, 2, bias=False)

    def represent(self, images: Tensor) -> Spaces:
        return classify(self.normalisation(self.weigh(images)).mean(dim=(2, 3)), self.head)


def test_statistics_of_other_weights_cost_accuracy() -> None:
    """A brightness of 1 times the pixels, under the mean of 5 times the pixels, is dark for all images."""
    labels = torch.arange(40) % 2
    bright = torch.full((40, 1, 16, 16), 60.0) + 100 * labels[:, None, None, None] + images(40) / 16
    net = Brightness()
    with torch.no_grad():
        net.weigh.weight.fill_(1)
        net.head.weight.copy_(torch.tensor([[-1.0], [1.0]]))
    average = Average(net, 0.999)
    with torch.no_grad():
        net.weigh.weight.fill_(5)
    net.normalisation.momentum = None
    net.train()(bright)
    net.eval()
    found = {}
    average.copy_statistics(net)
    for name in ("copied", "estimated"):
        found[name] = float((average.net(bright)["classifier"].argmax(1) == labels).float().mean())
        average.estimate_statistics(bright.split(10), "float32")
    assert float((net(bright)["classifier"].argmax(1) == labels).float().mean()) == 1
    assert found == {"copied": 0.5, "estimated": 1.0}
