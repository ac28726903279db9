"""Y-shaped networks: branches, what they share, normalisation by image, where an encoder starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spacewise import nets
from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.files import read_tensors, write_tensors
from spacewise.nets import output_sizes
from spacewise.nets.branch import Branch
from spacewise.nets.chain import Chain, wrap
from spacewise.nets.normalisation import InstanceNormalisation, normalise
from spacewise.nets.preprocess import Preprocess
from spacewise.nets.y_shaped import YShaped, start_target_from_source

CLASSES = 3
SAME = {"name": "aconvnet", "padding": "same", "feature": 24}
SMALL_VGG = {"name": "netA", "width": 8, "dimension": 12}
ENCODERS: dict[str, Mapping[str, Any] | str] = {
    "aconvnet": SAME,
    "resnet20": "resnet20",
    "wrn28-2": "wrn28-2",
    "netA": SMALL_VGG,
    "netA, head": {**SMALL_VGG, "head": True},
}
LAST_OF = {"aconvnet": "encoded", "resnet20": "encoded", "wrn28-2": "encoded", "netA": "fc6", "netA, head": "fc6"}


def drawn(seed: int = 0, **options: Any) -> YShaped:
    """A network of two target bands and three source bands."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nets.y_shaped(CLASSES, **{"bands": 2, "size": 32, "source_bands": 3} | options)


def images_for(chain: Chain, samples: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(samples, chain.bands, chain.size, chain.size, generator=torch.Generator().manual_seed(seed))


def touched(net: nn.Module) -> set[str]:
    """Parts of the network that a gradient has reached."""
    return {name.partition(".")[0] for name, each in net.named_parameters() if each.grad is not None}


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


# Branches and what they share


@pytest.mark.parametrize("normalisation", ["batch", "instance"])
@pytest.mark.parametrize("name", ENCODERS)
def test_each_branch_has_its_encoders_spaces_and_the_shared_ones(name: str, normalisation: str) -> None:
    net = drawn(encoder=ENCODERS[name], normalisation=normalisation, source_size=40, dimension=7).eval()
    for which, bands, size in (("source", 3, 40), ("target", 2, 32)):
        chain = net.branch(which)
        assert (chain.bands, chain.size) == (bands, size)
        with torch.no_grad():
            found = chain(images_for(chain))
            layer = chain.last_layer()
            assert layer is net.head
            torch.testing.assert_close(layer(found["embedding"]), found["classifier"])
        assert tuple(found) == chain.spaces
        assert chain.spaces[-4:] == (LAST_OF[name], "embedding", "classifier", "probability")
        assert found["embedding"].shape == (4, 7)
        assert found["classifier"].shape == (4, CLASSES)
        torch.testing.assert_close(found["probability"].sum(dim=1), torch.ones(4))


def test_no_space_pretends_to_be_what_the_last_layer_reads() -> None:
    """Scores that look at the last layer take its input from the space `feature`."""
    assert "feature" not in drawn(encoder=SAME).spaces


def test_the_chain_itself_is_the_branch_of_the_target() -> None:
    net = drawn().eval()
    images = images_for(net)
    with torch.no_grad():
        one, other = net(images), net.branch("target")(images)
    assert net.spaces == tuple(one) == tuple(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(("which", "encoder"), [("source", "source_encoder"), ("target", "encoder")])
def test_a_loss_on_a_branch_reaches_its_encoder_and_what_is_shared(name: str, which: str, encoder: str) -> None:
    net = drawn(encoder=ENCODERS[name])
    chain = net.branch(which)
    chain(images_for(chain))["classifier"].square().sum().backward()
    assert touched(net) == {encoder, "embed", "head"}
    assert all(each.grad is not None for each in chain.parameters()), "something of the branch is not used"


def test_parts_are_all_that_is_learnt() -> None:
    net = drawn()
    assert list(net.parts) == ["source", "target", "embedding", "head"]
    parts = [id(each) for part in net.parts.values() for each in part.parameters()]
    assert sorted(parts) == sorted(id(each) for each in net.parameters())


def test_a_step_on_one_branch_moves_the_head_of_the_other() -> None:
    net = drawn()
    source, target = net.branch("source"), net.branch("target")
    before = {name: value.clone() for name, value in target.state_dict().items()}
    optimizer = torch.optim.SGD(source.parameters(), 0.1)
    source(images_for(source))["classifier"].square().sum().backward()
    optimizer.step()
    moved = {name.partition(".")[0] for name, value in target.state_dict().items() if not value.equal(before[name])}
    assert moved == {"embed", "head"}


def test_running_statistics_are_each_branchs_own() -> None:
    net = drawn(encoder=SAME).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    source = net.branch("source")
    source(images_for(source))
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.partition(".")[0] for name in moved} == {"source_encoder"}
    assert "source_encoder.block1.normalisation.running_mean" in moved


@pytest.mark.parametrize("training", [True, False])
def test_a_branch_trains_as_its_network_does(training: bool) -> None:
    net = drawn().train(training)
    output_sizes(net.branch("source"))
    assert net.source_encoder.training is net.head.training is training


@pytest.mark.parametrize("name", ENCODERS)
def test_every_tensor_is_saved_once_and_read_back(name: str, tmp_path: Path) -> None:
    one, other = drawn(0, encoder=ENCODERS[name]), drawn(1, encoder=ENCODERS[name])
    one.preprocess.fit(images_for(one), "intensity")
    one.source_preprocess.fit(images_for(one.branch("source")), "magnitude")
    state = one.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    assert {key.partition(".")[0] for key in state} == {
        "preprocess", "encoder", "embed", "head", "source_encoder", "source_preprocess",
    }  # fmt: skip
    assert not any("encoder.preprocess" in key for key in state)
    write_tensors(tmp_path / "last.safetensors", state)
    other.load_state_dict(read_tensors(tmp_path / "last.safetensors")[0])
    for which in ("source", "target"):
        ours, theirs = one.eval().branch(which), other.eval().branch(which)
        with torch.no_grad():
            images = images_for(ours)
            assert torch.equal(ours(images)["probability"], theirs(images)["probability"])


def test_a_branch_by_itself_is_the_same_network() -> None:
    alone = nets.branch(CLASSES, 3, 40, encoder=SAME, dimension=7)
    other = drawn(encoder=SAME, dimension=7, source_size=40).branch("source")
    assert alone.spaces == other.spaces
    assert {key: value.shape for key, value in alone.state_dict().items()} == {
        key: value.shape for key, value in other.state_dict().items()
    }


def test_the_same_seed_draws_the_same_network() -> None:
    assert same(drawn(3), drawn(3))
    assert not same(drawn(3), drawn(4))


def test_what_it_was_made_with_is_remembered() -> None:
    made = drawn(encoder=SAME, normalisation="instance")
    options = {"encoder": SAME, "normalisation": "instance"}
    assert description(made) == {"name": "y-shaped", **options}


# Normalisation


def gained(images: Tensor) -> Tensor:
    """Every image with a gain of its own."""
    return images * torch.tensor([0.5, 3.0, 10.0, 40.0])[: len(images), None, None, None]


@pytest.mark.parametrize("name", ENCODERS)
def test_with_instance_normalisation_an_image_is_by_itself(name: str) -> None:
    net = drawn(encoder=ENCODERS[name], normalisation="instance").train()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())
    assert not any("running" in key for key in net.state_dict())
    images = images_for(net)
    with torch.no_grad():
        together, evaluated = net(images)["embedding"], net.eval()(images)["embedding"]
        alone = torch.cat([net.train()(image[None])["embedding"] for image in images])
    torch.testing.assert_close(together, evaluated)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_with_batch_normalisation_it_is_not(name: str) -> None:
    net = drawn(encoder=ENCODERS[name]).train()
    images = images_for(net)
    with torch.no_grad():
        assert not torch.allclose(net(images)["embedding"][:2], net(images[:2])["embedding"], rtol=1e-3)


@pytest.mark.parametrize("name", ENCODERS)
def test_with_instance_normalisation_the_gain_of_an_image_is_not_seen(name: str) -> None:
    """No layer before the first normalisation adds anything that the normalisation does not take away."""
    net = drawn(encoder=ENCODERS[name], normalisation="instance").eval()
    for layer in net.modules():
        if isinstance(layer, InstanceNormalisation):
            layer.eps = 1e-12  # below the variance of a dark image's first maps
    images = images_for(net)
    with torch.no_grad():
        torch.testing.assert_close(net(gained(images))["embedding"], net(images)["embedding"], rtol=1e-3, atol=1e-4)
        batch = drawn(encoder=ENCODERS[name]).eval()
        assert not torch.allclose(batch(gained(images))["embedding"], batch(images)["embedding"], rtol=0.1)


def test_instance_normalisation_is_what_it_says_and_starts_as_the_batchs() -> None:
    replaced = nn.BatchNorm2d(5)
    nn.init.normal_(replaced.weight)
    nn.init.normal_(replaced.bias)
    maps = torch.randn(3, 5, 4, 6, dtype=torch.float64)
    found = InstanceNormalisation(replaced).double()(maps)
    for sample in range(3):
        for channel in range(5):
            one = maps[sample, channel]
            expected = (one - one.mean()) / (one.var(correction=0) + 1e-5).sqrt()
            expected = expected * replaced.weight[channel].double() + replaced.bias[channel].double()
            torch.testing.assert_close(found[sample, channel], expected)


def test_instance_normalisation_trains_in_bfloat16_on_channels_last() -> None:
    net = drawn(encoder=SAME, normalisation="instance").to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        loss = net(images_for(net))["classifier"].float().square().sum()
    loss.backward()
    assert all(each.grad.isfinite().all() for each in net.branch("target").parameters())


@pytest.mark.parametrize(
    ("encoder", "sizes"), [("resnet18", {}), (SMALL_VGG, {"size": 16}), (SMALL_VGG, {"source_size": 16})]
)
def test_maps_of_one_position_are_refused_when_the_network_is_built(
    encoder: Mapping[str, Any] | str, sizes: dict[str, int]
) -> None:
    with pytest.raises(InputError, match=r"leaves nothing of maps of 1 x 1; use larger images.*normalisation=batch"):
        drawn(encoder=encoder, normalisation="instance", **sizes)
    drawn(encoder=encoder, **sizes)


@pytest.mark.parametrize(("net", "message"), [("ding", "ding has no batch normalisation"), ("vgg16", "vgg16 has no")])
def test_an_encoder_without_batch_normalisation_has_nothing_to_replace(net: str, message: str) -> None:
    with torch.device("meta"), pytest.raises(InputError, match=message):
        drawn(encoder=net, size=48, normalisation="instance")


def test_a_layer_that_also_rectifies_is_not_replaced() -> None:
    class Rectified(nn.BatchNorm2d):
        def forward(self, maps: Tensor) -> Tensor:
            return super().forward(maps).relu()

    with pytest.raises(InputError, match=r"foreign: 'one' does more than normalise \(Rectified\)"):
        normalise(nn.ModuleDict({"one": Rectified(2)}), "instance", "foreign")


# Where an encoder starts


def test_the_target_starts_from_the_source_as_far_as_it_fits() -> None:
    net = drawn()
    first = net.encoder.get_parameter("conv1.weight").detach().clone()
    for layer in net.source_encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(3)
    net.preprocess.mean.fill_(5)
    assert not same(net.encoder.get_submodule("layer2"), net.source_encoder.get_submodule("layer2"))
    assert start_target_from_source(net) == ["encoder.conv1.weight"]
    assert same(net.encoder.get_submodule("layer2"), net.source_encoder.get_submodule("layer2"))
    assert float(net.encoder.get_buffer("bn1.running_mean")[0]) == 3
    assert torch.equal(net.encoder.get_parameter("conv1.weight"), first)
    assert net.preprocess.mean.tolist() == [5, 5]
    assert net.source_preprocess.mean.tolist() == [0, 0, 0]


def test_of_equal_bands_everything_fits_and_stays_its_own() -> None:
    net = drawn(source_bands=None)
    assert start_target_from_source(net) == []
    assert same(net.encoder, net.source_encoder)
    with torch.no_grad():
        net.encoder.get_parameter("conv1.weight").zero_()
    assert net.source_encoder.get_parameter("conv1.weight").any()


def test_layers_that_depend_on_the_size_stay_too() -> None:
    net = drawn(encoder=SAME, source_size=64)
    assert start_target_from_source(net) == ["encoder.block1.convolution.weight", "encoder.embed.weight"]


def test_the_sources_branch_is_drawn_as_by_itself() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        alone = nets.branch(CLASSES, 3, 32, encoder=SAME, dimension=7)
    net = drawn(3, encoder=SAME, dimension=7)
    assert same(net.branch("source"), alone)
    assert description(net.branch("source")) == description(alone)


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "aconvnt"}, "unknown encoder 'aconvnt': did you mean 'aconvnet'?"),
        ({"encoder": "y-shaped"}, "unknown encoder 'y-shaped'"),
        ({"encoder": "branch"}, "unknown encoder 'branch'"),
        ({"encoder": "projected"}, "unknown encoder 'projected'"),
        ({"encoder": "aconvnet"}, "aconvnet: 32 x 32 pixels are too few for padding=valid; use padding=same"),
        ({"encoder": {"name": "aconvnet", "paddin": "same"}}, "unknown option of encoder aconvnet 'paddin': did you"),
        ({"encoder": {**SAME, "feature": "many"}}, "option feature of encoder aconvnet: input should be a valid int"),
        ({"encoder": {**SAME, "size": 64}}, "option size of encoder aconvnet follows from the data"),
        ({"encoder": {"padding": "same"}}, "encoder is a network's name, or its name and options like {name: aconvnet"),
        (
            {"encoder": {"name": "resnet18", "weights": "a.pth"}},
            "encoder resnet18 takes no weights of its own; a",
        ),
        ({"normalisation": "instanc"}, "unknown normalisation 'instanc': did you mean 'instance'?"),
        ({"dimension": 0}, "branch: dimension of the embedding must be 1 or more, not 0"),
        ({"source_bands": 0}, "y-shaped: source_bands must be 1 or more, not 0"),
        ({"source_size": 7}, "resnet20: 7 x 7 pixels are too few"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        drawn(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_branch_suggests() -> None:
    with pytest.raises(InputError, match="unknown branch 'sourc': did you mean 'source'"):
        drawn().branch("sourc")


def test_encoders_that_cannot_share_an_embedding_are_refused() -> None:
    def foreign(width: int) -> Chain:
        return wrap(nn.Sequential(nn.Conv2d(1, width, 3)), {"maps": "0"}, bands=1, size=8)

    source = Branch(foreign(4), Preprocess(1), nn.Linear(4, 5), nn.Linear(5, CLASSES))
    assert YShaped(source, foreign(4)).spaces == ("maps", "embedding", "classifier", "probability")
    with pytest.raises(InputError, match="share an embedding, but give 6 and 4 values"):
        YShaped(source, foreign(6))
