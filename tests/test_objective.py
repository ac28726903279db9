"""Terms written as text, and the sum of terms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.losses import Center, Contrastive, CrossEntropy, Loss
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective, parse_term, space_of


def test_weight_loss_options_and_space() -> None:
    term = parse_term("0.5*contrastive(dissimilar_margin=2.0, form='distance')@block3:max")
    assert term.weight == 0.5
    assert isinstance(term.loss, Contrastive)
    assert term.loss.options["dissimilar_margin"] == 2.0
    assert term.loss.options["form"] == "distance"
    assert term.loss.options["similar_margin"] == 0.0
    assert term.space == "block3:max"
    assert term.name == "contrastive@block3:max"


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("crossentropy@classifier", "classifier"),
        ("0.5 * center(rate=0.1) @ block3:max", "block3"),
        ("0.5*supcon@embedding of unlabelled", "embedding"),
        ('mine(name="a@b")@feature', "feature"),
        ("crossentropy", ""),
    ],
)
def test_the_space_that_a_term_stands_on(text: str, space: str) -> None:
    assert space_of(text) == space


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("crossentropy@classifier", "crossentropy@classifier"),
        ("crossentropy()@classifier", "crossentropy@classifier"),
        ("1*crossentropy@classifier", "crossentropy@classifier"),
        ("1.0 * crossentropy @ classifier", "crossentropy@classifier"),
        (" 1e-3*center@feature ", "0.001*center@feature"),
        ("0*center(rate=0.5)@feature", "0*center@feature"),
        ("2*center( rate = 0.1 )@feature", "2*center(rate=0.1)@feature"),
        ("contrastive(pairs=\"siamese\")@fc.6", "contrastive(pairs='siamese')@fc.6"),
    ],
)  # fmt: skip
def test_texts_have_one_canonical_form(text: str, canonical: str) -> None:
    assert str(parse_term(text)) == str(parse_term(canonical))
    assert parse_term(text).weight == parse_term(canonical).weight


@given(
    weight=st.floats(0, 1e12),
    rate=st.floats(0, 1),
    centers=st.sampled_from(["persistent", "batch"]),
    space=st.sampled_from(["classifier", "block3:max", "fc.6"]),
)
def test_a_term_reads_back_as_the_same_term(weight: float, rate: float, centers: str, space: str) -> None:
    term = weight * Center(rate=rate, centers=centers) @ space
    again = parse_term(str(term))
    assert (again.weight, again.space, again.loss.options) == (weight, space, term.loss.options)


MALFORMED = [
    "", "crossentropy", "@classifier", "crossentropy@", "crossentropy@@classifier", "crossentropy@a b",
    "*crossentropy@classifier", "1.0crossentropy@classifier", "x*crossentropy@classifier", "-1*crossentropy@classifier",
    "nan*crossentropy@classifier", "inf*crossentropy@classifier", "1**2*crossentropy@classifier",
    "crossentrpy@classifier", "contrastive(1.0)@classifier", "contrastive(margin=1.0)@classifier",
    "contrastive(similar_margin=1.0@classifier", "contrastive(similar_margin=open('x'))@classifier",
    "contrastive(similar_margin=-1)@classifier", "contrastive(similar_margin='a')@classifier",
    "contrastive(similar_margin=[1])@classifier", "contrastive(form=[])@classifier", "contrastive(form={})@classifier",
    "contrastive(form={[]: 1})@classifier", "contrastive(**{'form': 'squared'})@classifier",
    "contrastive(form='squared', form='distance')@classifier", "center(rate=__import__('os'))@feature",
    "crossentropy(options=1)@classifier", "crossentropy().x()@classifier", "(lambda: 1)()@classifier",
    "1.0*2.0*crossentropy@classifier", "crossentropy@classifier + center@feature",
]  # fmt: skip


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_term_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_term(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 20


@given(
    st.text(alphabet="contrasive(=)'\",[]{}:.*@1 \n-x", max_size=40)
    | st.builds("contrastive({})@x".format, st.text(max_size=20))
)
def test_whatever_is_typed_is_a_term_or_one_line(text: str) -> None:
    complaint = ""
    try:
        parse_term(text)
    except InputError as error:
        complaint = str(error)
    assert "\n" not in complaint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrastiv@classifier", "unknown loss 'contrastiv': did you mean 'contrastive'?"),
        ("center(rat=1)@feature", "unknown option of loss center 'rat': did you mean 'rate'?"),
        ("lots*center@feature", "the weight must be a number, zero or more, not 'lots'"),
        ("center@", "is not of the form weight*loss(option=value)@space"),
    ],
)
def test_what_was_meant_is_suggested(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_term(text)
    assert message in str(caught.value)


# From Python


def test_terms_from_texts_and_from_losses_are_the_same() -> None:
    written = Objective("crossentropy@classifier", "0.5*contrastive(dissimilar_margin=2.0)@feature")
    built = Objective(CrossEntropy() @ "classifier", 0.5 * Contrastive(dissimilar_margin=2.0) @ "feature")
    assert written.texts() == built.texts()
    assert str(written) == "crossentropy@classifier + 0.5*contrastive(dissimilar_margin=2.0)@feature"
    assert (0.5 * (Center() @ "feature")).weight == 0.5


def test_spaces_are_named_once_with_their_readings() -> None:
    goal = Objective("crossentropy@classifier", "contrastive@maps:max", "center@classifier", "contrastive@maps")
    assert goal.spaces == ["classifier", "maps", "maps:max"]


@pytest.mark.parametrize("terms", [(), ("center@feature", "2*center(rate=0.1)@feature"), (Center(),), (3,), (None,)])
def test_what_is_no_objective_is_one_line(terms: tuple[object, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Objective(*terms)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_from_python_is_checked_as_one_from_text(weight: float) -> None:
    with pytest.raises(InputError, match="weight"):
        Objective(weight * Center() @ "feature")


def test_one_loss_with_state_cannot_stand_on_two_spaces() -> None:
    """Its second binding would throw away the centres of the first."""
    loss = Center()
    with pytest.raises(InputError):
        Objective(loss @ "feature", loss @ "classifier")


# Values


def test_the_total_is_the_weighted_sum_and_terms_are_unweighted() -> None:
    spaces = {"feature": torch.randn(6, 4, requires_grad=True), "classifier": torch.randn(6, 3)}
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    goal = Objective("crossentropy@classifier", "0.25*contrastive@feature", "0*contrastive@classifier")
    total, terms = goal(spaces, labels)
    assert list(terms) == ["crossentropy@classifier", "contrastive@feature", "contrastive@classifier"]
    assert not any(value.requires_grad for value in terms.values())
    expected = terms["crossentropy@classifier"] + 0.25 * terms["contrastive@feature"]
    torch.testing.assert_close(total.detach(), expected)
    total.backward()
    assert spaces["feature"].grad.abs().sum() > 0


def test_bind_gives_each_loss_the_size_of_its_space(tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain()
    goal = Objective("center@maps", "center@maps:flatten", "center@feature", "center@classifier")
    goal.bind(chain, 3, output_sizes(chain))
    assert [tuple(loss.centers.shape) for loss in goal.losses] == [(3, 8), (3, 128), (3, 16), (3, 3)]
    goal(chain(torch.rand(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            "featur",
            "unknown space 'featur': did you mean 'feature'? (there are: maps, feature, classifier, probability)",
        ),
        ("maps:maxi", "unknown reading of a space 'maxi': did you mean 'max'? (there are: mean, max, flatten)"),
    ],
)
def test_an_unknown_space_is_named(space: str, message: str, tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain()
    with pytest.raises(InputError) as caught:
        Objective(f"center@{space}").bind(chain, 3, output_sizes(chain))
    assert str(caught.value) == message


def test_the_state_of_the_losses_is_the_state_of_the_objective(tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain()
    goal, again = (Objective("crossentropy@classifier", "center@feature") for _ in range(2))
    for each in (goal, again):
        each.bind(chain, 3, output_sizes(chain))
    goal(chain(torch.rand(4, 1, 16, 16)), torch.tensor([0, 1, 2, 0]))
    again.load_state_dict(goal.state_dict())
    assert list(goal.state_dict()) == ["losses.1.centers"]
    assert torch.equal(again.losses[1].centers, goal.losses[1].centers)
    assert again.losses[1].centers.any()


def test_a_loss_of_ones_own_is_a_term(tiny_chain: Callable[..., Chain]) -> None:
    class Length(Loss):
        name = "length"

        def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return embeddings.square().sum(dim=1).mean()

    goal = Objective("crossentropy@classifier", 0.1 * Length() @ "feature")
    chain = tiny_chain()
    goal.bind(chain, 3, output_sizes(chain))
    _, terms = goal(chain(torch.rand(2, 1, 16, 16)), torch.tensor([0, 1]))
    assert set(terms) == {"crossentropy@classifier", "length@feature"}
    assert goal.texts()[1] == "0.1*length@feature"


# Two domains

LABELS = (torch.tensor([0, 1, 2, 0]), torch.tensor([1, -1, 1, -1, -1]))


def two_domains(seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    random = torch.Generator().manual_seed(seed)
    found = []
    for samples in map(len, LABELS):
        logits = torch.randn(samples, 3, generator=random)
        vectors = torch.randn(samples, 4, generator=random, requires_grad=True)
        found.append({"embedding": vectors, "classifier": logits, "probability": logits.softmax(dim=1)})
    return found[0], found[1]


def bound(*terms: str) -> Objective:
    goal = Objective(*terms)
    for term in goal.terms:
        term.loss.bind(3, 4, 0)
    return goal


def test_across_is_of_the_labelled_samples_of_each_domain() -> None:
    source, target = two_domains()
    goal = bound("2*crossentropy@classifier", "0.5*contrastive@embedding")
    total, terms = goal.across(source, target, LABELS)
    assert [*terms] == goal.names_across(sources=True)
    known = LABELS[1] >= 0
    entropy = torch.nn.functional.cross_entropy
    of_source = entropy(source["classifier"], LABELS[0])
    of_target = entropy(target["classifier"][known], LABELS[1][known])
    torch.testing.assert_close(terms["crossentropy@classifier source"], of_source)
    torch.testing.assert_close(terms["crossentropy@classifier target"], of_target)
    pulled = terms["contrastive@embedding source"] + terms["contrastive@embedding target"]
    torch.testing.assert_close(total.detach(), 2 * (of_source + of_target) + 0.5 * pulled)
    total.backward()
    assert not target["embedding"].grad[~known].any()
    assert target["embedding"].grad[known].abs().sum() > 0
    assert not any(value.requires_grad for value in terms.values())


def test_across_without_samples_of_the_source() -> None:
    source, target = two_domains()
    goal = bound("crossentropy@classifier", "contrastive@embedding")
    alone, terms = goal.across({}, target, (LABELS[0][:0], LABELS[1]))
    assert [*terms] == goal.names_across(sources=False)
    assert [*terms] == ["crossentropy@classifier target", "contrastive@embedding target"]
    _, both = goal.across(source, target, LABELS)
    torch.testing.assert_close(alone.detach(), sum(both[name] for name in terms))


def test_alignments_are_one_number_over_both_domains() -> None:
    source, target = two_domains()
    goal = bound("crossentropy@classifier", "3*coral@embedding", "domain_adversarial@embedding")
    assert goal.aligns
    assert not bound("crossentropy@classifier").aligns
    total, terms = goal.across(source, target, LABELS)
    named = goal.names_across(sources=True)
    assert named[2:] == ["coral@embedding", "domain_adversarial@embedding"]
    assert [*terms] == [*named, "domain_adversarial@embedding domain_accuracy"]
    unlabelled = {name: values[LABELS[1] < 0] for name, values in target.items()}
    _, again = bound("coral@embedding").across(source, unlabelled, (LABELS[0], LABELS[1][LABELS[1] < 0]))
    torch.testing.assert_close(terms["coral@embedding"], again["coral@embedding"])
    weights = [1, 1, 3, 1]
    torch.testing.assert_close(total.detach(), sum(w * terms[name] for w, name in zip(weights, named)))


def test_draws_follow_from_the_seed_and_the_place_of_the_term() -> None:
    source, target = two_domains()

    def value(*terms: str, seed: int) -> torch.Tensor:
        goal = bound(*terms)
        goal.reseed(seed)
        return goal.across(source, target, LABELS)[1]["sliced_wasserstein@embedding"]

    sliced = "sliced_wasserstein(projections=3)@embedding"
    assert torch.equal(value(sliced, seed=5), value(sliced, seed=5))
    assert not torch.equal(value(sliced, seed=5), value(sliced, seed=6))
    assert torch.equal(value("crossentropy@classifier", sliced, seed=4), value(sliced, seed=5))


def test_an_alignment_in_one_domain_is_refused(tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain()
    with pytest.raises(InputError, match="'coral@feature' compares two domains: give a target, as the regime transfer"):
        Objective("crossentropy@classifier", "coral@feature").bind(chain, 3, output_sizes(chain))
    Objective("coral@feature").bind(chain, 3, output_sizes(chain), domains=2)
