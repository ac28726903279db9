"""Terms of unlabelled samples: as text, and in the sum over labelled and unlabelled ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses import GraphContrast, HingeTriplet, consistency, contrastive, graph_contrast
from spacewise.losses.loss import Term
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective, Unlabelled, parse_term

LABELLED, UNLABELLED, CLASSES, DIMENSION = 4, 10, 3, 6
LABELS = torch.tensor([0, 1, 2, 0])
TRIPLETS = "0.5*hinge_triplet(margin=0.4, triplets='semihard', average='violating')@embedding of unlabelled"
AGREED = "graph_contrast(threshold=0.5)@embedding"

# As text


def test_the_text_of_a_term_of_unlabelled_samples() -> None:
    term = parse_term("0.5*hinge_triplet(margin=0.4)@embedding of unlabelled")
    assert (term.weight, term.space, term.samples) == (0.5, "embedding", "unlabelled")
    assert isinstance(term.loss, HingeTriplet)
    assert term.loss.options["margin"] == 0.4
    assert term.name == "hinge_triplet@embedding of unlabelled"
    assert str(term) == "0.5*hinge_triplet(margin=0.4)@embedding of unlabelled"
    assert term.unlabelled


@given(
    weight=st.floats(0, 1e12),
    margin=st.floats(0, 4),
    triplets=st.sampled_from(["all", "semihard"]),
    space=st.sampled_from(["embedding", "block3:max", "fc.6"]),
    samples=st.sampled_from(["labelled", "unlabelled"]),
    gap=st.sampled_from([" of ", "  of\t", "\nof "]),
)
def test_a_term_reads_back(weight: float, margin: float, triplets: str, space: str, samples: str, gap: str) -> None:
    term = Term(weight, HingeTriplet(margin=margin, triplets=triplets), space, samples)
    written = f"{weight!r}*hinge_triplet(margin={margin!r}, triplets={triplets!r})@{space}{gap}{samples} "
    for again in (parse_term(str(term)), parse_term(written)):
        assert (again.weight, again.space, again.samples) == (weight, space, samples)
        assert again.loss.options == term.loss.options
        assert (again.name, str(again)) == (term.name, str(term))


def test_of_labelled_goes_unsaid() -> None:
    term = parse_term("contrastive@embedding of labelled")
    assert str(term) == term.name == "contrastive@embedding"
    assert not term.unlabelled


@pytest.mark.parametrize("text", ["consistency(hard=True)@classifier", AGREED, "2.0*class_aware_contrast@embedding"])
def test_of_unlabelled_goes_unsaid_with_an_agreement(text: str) -> None:
    for written in (text, f"{text} of unlabelled"):
        term = parse_term(written)
        assert str(term) == text
        assert "of" not in term.name.split()
        assert term.unlabelled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contrastive@embedding of nothing", "unknown samples of a term 'nothing': (there are: labelled, unlabelled)"),
        ("contrastive@embedding of unlabeled", "unknown samples of a term 'unlabeled': did you mean 'unlabelled'?"),
        ("contrastive@embedding of Labelled", "unknown samples of a term 'Labelled': did you mean 'labelled'?"),
        ("contrastive@embedding of", "is not of the form weight*loss(option=value)@space"),
        ("contrastive@embedding unlabelled", "is not of the form weight*loss(option=value)@space"),
        ("contrastive@embedding of unlabelled of unlabelled", "is not of the form weight*loss(option=value)@space"),
        ("contrastive of unlabelled@embedding", "is not of the form weight*loss(option=value)@space"),
    ],
)
def test_other_samples_are_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_term(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weighing_keeps_the_samples() -> None:
    term = 0.5 * parse_term("2*contrastive@embedding of unlabelled")
    assert str(term) == "contrastive@embedding of unlabelled"


def test_labelled_and_unlabelled_terms_of_one_loss_are_two() -> None:
    goal = Objective("contrastive@embedding", "contrastive@embedding of unlabelled")
    assert str(goal) == "contrastive@embedding + contrastive@embedding of unlabelled"
    with pytest.raises(InputError, match="'contrastive@embedding of unlabelled' stands twice in the objective"):
        Objective("contrastive@embedding of unlabelled", "2*contrastive@embedding of unlabelled")


# On a network


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("consistency@classifier", "consistency@classifier"),
        ("2*graph_contrast(threshold=0.5)@feature", "graph_contrast@feature"),
        ("class_aware_contrast@feature", "class_aware_contrast@feature"),
        ("0.5*contrastive@feature of unlabelled", "contrastive@feature of unlabelled"),
    ],
)
def test_without_unlabelled_samples_a_term_of_them_is_refused(
    text: str, name: str, tiny_chain: Callable[..., Chain]
) -> None:
    chain = tiny_chain()
    for domains in (1, 2):
        with pytest.raises(InputError) as caught:
            Objective("crossentropy@classifier", text).bind(chain, CLASSES, output_sizes(chain), domains=domains)
        assert str(caught.value) == (
            f"'{name}' needs views of unlabelled images: the regime semi-supervised with mu above 0"
        )
    Objective("crossentropy@classifier", text).bind(chain, CLASSES, output_sizes(chain), unlabelled=True)


@pytest.mark.parametrize(
    ("terms", "views"),
    [
        (("crossentropy@classifier",), 0),
        (("crossentropy@classifier", "contrastive@embedding"), 0),
        (("crossentropy@classifier", "consistency(hard=True)@classifier"), 1),
        (("crossentropy@classifier", TRIPLETS), 1),
        (("crossentropy@classifier", "graph_contrast@embedding"), 2),
        (("class_aware_contrast@embedding", "consistency@classifier"), 2),
        (("crossentropy@classifier", "consistency@classifier", "graph_contrast@embedding", TRIPLETS), 2),
    ],
)
def test_as_many_strong_views_as_the_terms_look_at(terms: tuple[str, ...], views: int) -> None:
    assert Objective(*terms).strong_views == views


# The sum


def spaces(samples: int, seed: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    sizes = {"embedding": DIMENSION, "classifier": CLASSES}
    return {
        name: torch.randn(samples, size, generator=random, dtype=torch.float64).requires_grad_()
        for name, size in sizes.items()
    }


def seen(seed: int = 0) -> Unlabelled:
    """Two views of ten samples, of which some are confident and some, others among them, are chosen."""
    random = torch.Generator().manual_seed(seed)
    targets = (3 * torch.randn(UNLABELLED, CLASSES, generator=random, dtype=torch.float64)).softmax(dim=1)
    largest, chosen = targets.amax(dim=1), torch.arange(UNLABELLED) % 3 != 0
    return Unlabelled(
        spaces(UNLABELLED, seed + 1), spaces(UNLABELLED, seed + 2), targets, largest > largest.median(), chosen
    )


def bound(*terms: str) -> Objective:
    goal = Objective(*terms)
    for term in goal.terms:
        term.loss.bind(CLASSES, CLASSES if term.space == "classifier" else DIMENSION, 0)
    return goal


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_sum_is_of_labelled_samples_views_and_pseudo_labels(seed: int) -> None:
    labelled, unlabelled = spaces(LABELLED, seed), seen(seed)
    goal = bound(
        "2*crossentropy@classifier",
        "0.5*consistency@classifier",
        f"3*{AGREED}",
        "0.25*contrastive@embedding of unlabelled",
    )
    total, terms = goal.over_views(labelled, LABELS, unlabelled)
    first, second, chosen = unlabelled.first, unlabelled.second, unlabelled.chosen
    assert 0 < unlabelled.confident.sum() < UNLABELLED
    by_hand = {
        "crossentropy@classifier": functional.cross_entropy(labelled["classifier"], LABELS),
        "consistency@classifier": consistency(first["classifier"], unlabelled.targets, unlabelled.confident),
        "graph_contrast@embedding": graph_contrast(
            first["embedding"], second["embedding"], unlabelled.targets, threshold=0.5
        ),
        "contrastive@embedding of unlabelled": contrastive(
            first["embedding"][chosen], unlabelled.targets.argmax(dim=1)[chosen]
        ),
    }
    assert [*terms] == [term.name for term in goal.terms] == [*by_hand]
    assert not any(value.requires_grad for value in terms.values())
    for name, value in by_hand.items():
        torch.testing.assert_close(terms[name], value.detach())
    expected = sum(weight * value for weight, value in zip((2, 0.5, 3, 0.25), by_hand.values()))
    torch.testing.assert_close(total, expected)
    vectors = [labelled["classifier"], first["classifier"], first["embedding"], second["embedding"]]
    torch.testing.assert_close(torch.autograd.grad(total, vectors), torch.autograd.grad(expected, vectors))


def test_samples_that_are_not_chosen_get_no_gradient() -> None:
    unlabelled = seen()
    total, _ = bound("contrastive@embedding of unlabelled").over_views(spaces(LABELLED, 0), LABELS, unlabelled)
    (gradient,) = torch.autograd.grad(total, unlabelled.first["embedding"])
    assert torch.equal(gradient.any(dim=1), unlabelled.chosen)


@pytest.mark.parametrize("loss", ["contrastive", "hinge_triplet", "center", "supcon", "crossentropy"])
def test_with_none_chosen_the_term_is_zero_with_a_way_for_gradients(loss: str) -> None:
    unlabelled = replace(seen(), chosen=torch.zeros(UNLABELLED, dtype=torch.bool))
    space = "classifier" if loss == "crossentropy" else "embedding"
    total, terms = bound(f"{loss}@{space} of unlabelled").over_views(spaces(LABELLED, 0), LABELS, unlabelled)
    assert float(terms[f"{loss}@{space} of unlabelled"]) == 0
    (gradient,) = torch.autograd.grad(total, unlabelled.first[space])
    assert gradient.shape == unlabelled.first[space].shape
    assert not gradient.any()


def test_labelled_samples_and_unlabelled_ones_do_not_mix() -> None:
    labelled, unlabelled = spaces(LABELLED, 0), seen()
    total, _ = bound("crossentropy@classifier").over_views(labelled, LABELS, unlabelled)
    views = [unlabelled.first["classifier"], unlabelled.second["classifier"]]
    assert torch.autograd.grad(total, views, allow_unused=True) == (None, None)
    total, _ = bound("consistency@classifier", "contrastive@embedding of unlabelled").over_views({}, LABELS, unlabelled)
    assert total.isfinite()


def test_one_view_is_enough_where_no_term_compares_two() -> None:
    unlabelled = seen()
    goal = bound("consistency@classifier", "contrastive@embedding of unlabelled")
    total, _ = goal.over_views({}, LABELS, replace(unlabelled, second={}))
    torch.testing.assert_close(total, goal.over_views({}, LABELS, unlabelled)[0])


def test_without_unlabelled_samples_the_sum_is_that_of_the_labelled() -> None:
    labelled = spaces(LABELLED, 0)
    goal = bound("crossentropy@classifier", "0.5*contrastive@embedding")
    nothing = torch.zeros(0, dtype=torch.bool)
    total, terms = goal.over_views(labelled, LABELS, Unlabelled({}, {}, torch.zeros(0, CLASSES), nothing, nothing))
    expected, expected_terms = goal(labelled, LABELS)
    assert torch.equal(total, expected)
    assert terms == expected_terms


def test_what_a_loss_reports_is_under_its_name() -> None:
    _, terms = bound("prototype_conformity@embedding of unlabelled").over_views({}, LABELS, seen())
    name = "prototype_conformity@embedding of unlabelled"
    assert terms.keys() > {name}
    assert all(key == name or key.startswith(f"{name} ") for key in terms)


def test_centres_of_unlabelled_samples_are_their_own() -> None:
    """Each follows its samples: the chosen ones under their pseudo-labels, and the labelled ones."""
    goal, labelled, unlabelled = (
        bound("center@embedding", "center@embedding of unlabelled"),
        spaces(LABELLED, 0),
        seen(),
    )
    goal.over_views(labelled, LABELS, unlabelled)
    first = unlabelled.first["embedding"][unlabelled.chosen]
    alone = bound("center@embedding")
    alone({"embedding": first}, unlabelled.targets[unlabelled.chosen].argmax(dim=1))
    assert torch.equal(goal.losses[1].centers, alone.losses[0].centers)
    assert not torch.equal(goal.losses[1].centers, goal.losses[0].centers)


def test_views_are_told_from_one_another() -> None:
    """The first is the one whose logits and vectors the pseudo-labels teach."""
    unlabelled = seen()
    turned = replace(unlabelled, first=unlabelled.second, second=unlabelled.first)
    for text in (AGREED, "consistency@classifier", "contrastive@embedding of unlabelled"):
        values = [bound(text).over_views({}, LABELS, views)[0] for views in (unlabelled, turned)]
        assert not torch.isclose(*values)


def test_a_loss_from_python_is_the_text() -> None:
    assert str(0.5 * GraphContrast(threshold=0.5) @ "embedding") == f"0.5*{AGREED}"
    built = Objective(0.5 * GraphContrast(threshold=0.5) @ "embedding")
    values = [goal.over_views({}, LABELS, seen())[0] for goal in (built, bound(f"0.5*{AGREED}"))]
    assert torch.equal(*values)


# Another library


@pytest.mark.parametrize("seed", range(20))
def test_semihard_triplets_by_cosine_as_pytorch_metric_learning(seed: int) -> None:
    """d^2 = 2 - 2 cos of unit vectors: half the squared margin of 0.4 is the cosine margin of 0.2."""
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    cosine = pytest.importorskip("pytorch_metric_learning.distances").CosineSimilarity()
    random = torch.Generator().manual_seed(seed)
    samples = 20 + 4 * seed
    vectors = functional.normalize(torch.randn(samples, 8, generator=random, dtype=torch.float64)).requires_grad_()
    targets = torch.randn(samples, 5, generator=random, dtype=torch.float64).softmax(dim=1)
    everyone = torch.ones(samples, dtype=torch.bool)
    unlabelled = Unlabelled({"embedding": vectors}, {}, targets, everyone, everyone)
    total, terms = bound(TRIPLETS).over_views({}, LABELS, unlabelled)
    miner = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=cosine)
    labels = targets.argmax(dim=1)
    expected = losses.TripletMarginLoss(margin=0.2, distance=cosine)(vectors, labels, miner(vectors, labels))
    assert 0.01 < float(total.detach()) < 0.2
    torch.testing.assert_close(total, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(terms["hinge_triplet@embedding of unlabelled"], 2 * total.detach())
    torch.testing.assert_close(
        torch.autograd.grad(total, vectors), torch.autograd.grad(expected, vectors), rtol=0, atol=1e-6
    )
