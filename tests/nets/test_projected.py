"""A classifier with a projection head beside it: the paper's three, what each reads, what is refused."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from spacewise import nets, runs
from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.files import read_tensors, write_tensors
from spacewise.nets import Chain, output_sizes, parameter_count
from spacewise.nets.projected import Projected
from spacewise.regime import Supervised
from spacewise.sources import Source
from spacewise.splits import stratified

CLASSES = 3
LEAKY = {"name": "wrn28-2", "leak": 0.1, "momentum": 0.001}
SAME = {"name": "aconvnet", "padding": "same", "feature": 24}
SMALL = {"name": "resnet18", "stem": "small"}


def drawn(seed: int = 0, encoder: Mapping[str, Any] | str = LEAKY, size: int = 16, **options: Any) -> Projected:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nets.projected(CLASSES, 2, size, encoder=encoder, **options)


def images_for(chain: Chain, samples: int = 4) -> Tensor:
    return torch.rand(samples, chain.bands, chain.size, chain.size, generator=torch.Generator().manual_seed(0))


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


# The paper's three


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def basic(inputs: int, outputs: int) -> int:
    """Two 3 x 3 convolutions with a normalisation (scale and offset) each, and the shortcut where sizes change."""
    shortcut = inputs * outputs + 2 * outputs if inputs != outputs else 0
    return 9 * inputs * outputs + 9 * outputs * outputs + 4 * outputs + shortcut


def bottleneck(inputs: int, width: int) -> int:
    shortcut = inputs * 4 * width + 2 * 4 * width if inputs != 4 * width else 0
    return inputs * width + 9 * width * width + 4 * width * width + 2 * (width + width + 4 * width) + shortcut


def wide(inputs: int, outputs: int) -> int:
    """Normalisations come first: the first has the input's channels."""
    shortcut = inputs * outputs if inputs != outputs else 0
    return 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs + shortcut


STEM = 49 * 3 * 64 + 2 * 64  # 7 x 7 on three bands, and its normalisation
STAGES = ((64, 64), (64, 128), (128, 256), (256, 512))
RESNET18 = STEM + sum(basic(i, o) + basic(o, o) for i, o in STAGES) + linear(512, 10)
DEEP = ((64, 64, 3), (256, 128, 4), (512, 256, 6), (1024, 512, 3))
RESNET50 = STEM + sum(bottleneck(i, w) + (n - 1) * bottleneck(4 * w, w) for i, w, n in DEEP) + linear(2048, 10)
WIDE = ((16, 32), (32, 64), (64, 128))
WRN = 9 * 3 * 16 + sum(wide(i, o) + 3 * wide(o, o) for i, o in WIDE) + 2 * 128 + linear(128, 10)


@pytest.mark.parametrize(
    ("encoder", "widths", "rectifier", "parameters"),
    [
        ("resnet18", (512, 2048), nn.ReLU, RESNET18 + linear(512, 2048) + linear(2048, 64)),
        ("resnet50", (2048, 2048), nn.ReLU, RESNET50 + linear(2048, 2048) + linear(2048, 64)),
        (LEAKY, (128, 128), nn.LeakyReLU, WRN + linear(128, 128) + linear(128, 64)),
    ],
)
def test_the_papers_heads(
    encoder: Mapping[str, Any] | str, widths: tuple[int, int], rectifier: type[nn.Module], parameters: int
) -> None:
    with torch.device("meta"):
        net = nets.projected(10, encoder=encoder)
    first, between, last = net.projection
    assert (net.bands, net.size) == (3, 60)
    assert (first.in_features, first.out_features) == widths
    assert (last.in_features, last.out_features) == (widths[1], 64)
    assert type(between) is rectifier
    assert parameter_count(net) == parameters


def test_the_heads_leak_is_the_encoders() -> None:
    assert drawn(encoder={"name": "wrn28-2", "leak": 0.3}).projection[1].negative_slope == 0.3
    assert type(drawn(encoder="wrn28-2").projection[1]) is nn.ReLU


@pytest.mark.parametrize(
    ("encoder", "hidden", "units"),
    [(SMALL, None, 2048), ("resnet20", None, 64), (SAME, None, 24), (SAME, 7, 7), (SMALL, 5, 5)],
)
def test_hidden_units_follow_the_encoder_unless_they_are_given(
    encoder: Mapping[str, Any] | str, hidden: int | None, units: int
) -> None:
    net = drawn(encoder=encoder, hidden=hidden, dimension=6)
    assert net.projection[0].out_features == net.projection[2].in_features == units
    assert output_sizes(net)["embedding"] == (6,)


# Its spaces


def test_spaces_in_order_and_their_shapes() -> None:
    sizes = output_sizes(nets.projected(10))
    assert sizes == {
        "stem": (64, 15, 15),
        "stage1": (64, 15, 15),
        "stage2": (128, 8, 8),
        "stage3": (256, 4, 4),
        "stage4": (512, 2, 2),
        "feature": (512,),
        "embedding": (64,),
        "classifier": (10,),
        "probability": (10,),
    }
    assert [*sizes][-4:] == ["feature", "embedding", "classifier", "probability"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("encoder", [LEAKY, SAME])
def test_the_embedding_has_unit_length_in_any_precision(encoder: Mapping[str, Any], training: bool) -> None:
    net = drawn(encoder=encoder).train(training)
    for enabled in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            embedding = net(images_for(net))["embedding"]
        assert embedding.dtype == torch.float32
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(4), rtol=0, atol=1e-6)


def test_the_embedding_is_the_heads_on_the_feature() -> None:
    net = drawn().eval()
    first, _, last = net.projection
    with torch.no_grad():
        found = net(images_for(net))
        hidden = functional.leaky_relu(found["feature"] @ first.weight.T + first.bias, 0.1)
        vector = hidden @ last.weight.T + last.bias
    torch.testing.assert_close(found["embedding"], vector / vector.square().sum(dim=1, keepdim=True).sqrt())


@pytest.mark.parametrize("encoder", [LEAKY, SAME, SMALL, "resnet20"])
def test_the_classifier_does_not_know_of_the_head(encoder: Mapping[str, Any] | str) -> None:
    """The encoder by itself, of the same seed, has the same weights and gives the same spaces."""
    net = drawn(encoder=encoder)
    options = {"name": encoder} if isinstance(encoder, str) else dict(encoder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        alone = nets.NETS[options.pop("name")](CLASSES, 2, 16, **options)
    for chain in (net, alone):
        chain.preprocess.fit(images_for(net), "magnitude")
        chain.eval()
    with torch.no_grad():
        found, expected = net(images_for(net)), alone(images_for(net))
    assert [name for name in found if name != "embedding"] == list(expected)
    assert all(torch.equal(found[name], values) for name, values in expected.items())
    assert torch.equal(net.last_layer().weight, alone.last_layer().weight)


@pytest.mark.parametrize(("space", "unused"), [("classifier", "projection"), ("embedding", "encoder.fc")])
def test_a_loss_on_one_head_leaves_the_other(space: str, unused: str) -> None:
    net = drawn()
    uneven = torch.linspace(1, 2, output_sizes(net)[space][0])
    (net(images_for(net))[space].square() @ uneven).sum().backward()
    left = {name for name, each in net.named_parameters() if each.grad is None or not each.grad.any()}
    assert left == {name for name, _ in net.named_parameters() if name.startswith(unused)}


def test_images_are_preprocessed_and_encoded_once() -> None:
    net = drawn().eval()
    calls = dict.fromkeys(("preprocess", "encoder", "encoder.conv1"), 0)
    for name in calls:
        net.get_submodule(name).register_forward_hook(
            lambda _layer, _inputs, _output, name=name: calls.__setitem__(name, calls[name] + 1)
        )
    net(images_for(net))
    assert set(calls.values()) == {1}
    assert not any(name.startswith("encoder.preprocess") for name in net.state_dict())


# Saved, copied, drawn again


@pytest.mark.parametrize("encoder", [LEAKY, SAME])
def test_every_tensor_is_saved_once_and_read_back(encoder: Mapping[str, Any], tmp_path: Path) -> None:
    one, other = drawn(0, encoder), drawn(1, encoder)
    one.preprocess.fit(images_for(one), "intensity")
    state = one.state_dict()
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    assert {name.partition(".")[0] for name in state} == {"preprocess", "encoder", "projection"}
    write_tensors(tmp_path / "last.safetensors", state)
    other.load_state_dict(read_tensors(tmp_path / "last.safetensors")[0])
    with torch.no_grad():
        ours, theirs = one.eval()(images_for(one)), other.eval()(images_for(one))
    assert all(torch.equal(values, theirs[name]) for name, values in ours.items())


def test_a_copy_is_the_same_and_its_own() -> None:
    net = drawn()
    twin = copy.deepcopy(net)
    assert same(net, twin)
    assert (twin.spaces, twin.head_path) == (net.spaces, net.head_path)
    assert twin.last_layer() is twin.encoder.fc
    with torch.no_grad():
        twin.projection[0].weight.zero_()
        twin.encoder.fc.weight.zero_()
    assert net.projection[0].weight.any()
    assert net.encoder.fc.weight.any()


def test_the_same_seed_draws_the_same_network() -> None:
    assert same(drawn(3), drawn(3))
    assert not same(drawn(3), drawn(4))


# In an experiment


def experiment_of(chips: Source, net: dict[str, Any]) -> Experiment:
    values = runs.describe(nets.ding(3, 1, 48), ["crossentropy@classifier"], stratified(chips), Supervised(), 0)
    return Experiment(**values.model_dump(mode="json") | {"net": net})


@pytest.mark.parametrize("encoder", ["resnet18", LEAKY, SMALL])
def test_an_experiment_reads_back_from_its_yaml_and_builds(chips: Source, encoder: Any) -> None:
    net = {"name": "projected", "encoder": encoder, "size": 60, "dimension": 8}
    experiment = experiment_of(chips, net)
    again = Experiment(**yaml.safe_load(experiment.yaml()))
    assert again == experiment
    chain = again.chain(stratified(chips))
    assert isinstance(chain, Projected)
    assert (chain.bands, chain.size, output_sizes(chain)["embedding"]) == (1, 60, (8,))
    assert chain.last_layer().out_features == 3
    assert same(chain, experiment.chain(stratified(chips)))


def test_what_it_was_made_with_is_remembered(chips: Source) -> None:
    net = nets.projected(3, 1, 16, encoder=LEAKY, hidden=9, dimension=8)
    assert description(net) == {"name": "projected", "size": 16, "encoder": LEAKY, "hidden": 9, "dimension": 8}
    written = runs.describe(net, ["crossentropy@classifier"], stratified(chips), Supervised(), 0)
    again = Experiment(**yaml.safe_load(written.yaml())).chain(stratified(chips))
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in net.state_dict().items()
    }


# Given weights


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("given") / "given.safetensors"
    save_file(nets.resnet18(5, 1, 32, stem="small").state_dict(), path)
    return path


def test_the_encoder_starts_from_given_weights(given: Path) -> None:
    net = nets.projected(CLASSES, 1, 16, encoder=SMALL, weights=str(given))
    start = nets.resnet18(CLASSES, 1, 16, stem="small", weights=str(given))
    kept = {name: value for name, value in start.state_dict().items() if not name.startswith(("fc.", "preprocess."))}
    assert all(torch.equal(net.state_dict()[f"encoder.{name}"], value) for name, value in kept.items())
    parameters = {name for name, _ in net.named_parameters()}
    own = {name for name in parameters if name.startswith(("projection.", "encoder.fc."))}
    assert {*net.given} == parameters - own
    assert drawn().given == ()


def test_weights_of_an_experiment_are_a_whole_path_and_may_be_left_out(
    chips: Source, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(given.parent)
    net = {"name": "projected", "encoder": SMALL, "size": 24, "weights": given.name}
    experiment = experiment_of(chips, net)
    assert experiment.net.options["weights"] == str(given)
    split = stratified(chips)
    assert experiment.chain(split).given
    assert experiment.chain(split, empty=True).given == ()


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoder": "resnet8"}, "unknown encoder 'resnet8': did you mean 'resnet18'?"),
        ({"encoder": "projected"}, "unknown encoder 'projected'"),
        ({"encoder": "branch"}, "unknown encoder 'branch'"),
        ({"encoder": "y-shaped"}, "unknown encoder 'y-shaped'"),
        ({"encoder": {"name": "netA", "width": 8}}, "encoder netA has no space 'feature' under a classifier"),
        ({"encoder": {"name": "netD", "width": 8, "head": True}}, "encoder netD has no space 'feature' under a"),
        ({"encoder": "aconvnet"}, "aconvnet: 16 x 16 pixels are too few for padding=valid; use padding=same"),
        ({"encoder": "resnet18"}, "resnet18: 16 x 16 pixels are too few; use images of 32 pixels or more"),
        (
            {"encoder": {"name": "wrn28-2", "leek": 0.1}},
            "unknown option of encoder wrn28-2 'leek': did you mean 'leak'",
        ),
        ({"encoder": {"name": "wrn28-2", "leak": "steep"}}, "option leak of encoder wrn28-2: input should be a valid"),
        ({"encoder": {"name": "wrn28-2", "leak": 2}}, "wrn28-2: leak is the slope for negative values"),
        ({"encoder": {**SAME, "size": 64}}, "option size of encoder aconvnet follows from the data; leave it out"),
        ({"encoder": {"padding": "same"}}, "encoder is a network's name, or its name and options like {name: aconvnet"),
        ({"encoder": {**SMALL, "weights": "a.pth"}}, "encoder resnet18: weights is an option of projected itself;"),
        ({"weights": "a.pth"}, "encoder wrn28-2 starts from no weights; leave weights out, or use resnet18"),
        ({"encoder": "resnt18", "weights": "a.pth"}, "unknown encoder 'resnt18': did you mean 'resnet18'?"),
        ({"encoder": SMALL, "weights": "none.pth"}, "weights none.pth do not exist; fetch torchvision's resnet18"),
        ({"dimension": 0}, "projected: dimension of the embedding must be 1 or more, not 0"),
        ({"hidden": 0}, "projected: hidden is the number of units of the hidden layer, 1 or more, not 0"),
    ],
)
def test_a_wrong_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        drawn(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
