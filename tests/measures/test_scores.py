from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis
from sklearn.covariance import EmpiricalCovariance

from spacewise.errors import InputError
from spacewise.measures import blocks, fitted, scores
from spacewise.measures.moments import moments_of_parts
from spacewise.measures.rejection import auroc

CLASSES, DIMENSION = 3, 8


def world(seed: int = 0) -> dict[str, np.ndarray]:
    """Three known classes behind a ReLU, unknown samples elsewhere, and a least-squares last layer."""
    rng = np.random.default_rng(seed)
    centres = 4 * np.abs(rng.normal(size=(CLASSES + 1, DIMENSION)))
    labels = np.arange(300) % CLASSES
    train = np.maximum(centres[labels] + rng.normal(size=(300, DIMENSION)), 0)
    known = np.maximum(centres[np.arange(90) % CLASSES] + rng.normal(size=(90, DIMENSION)), 0)
    unknown = np.maximum(centres[CLASSES] + rng.normal(size=(70, DIMENSION)), 0)
    layer = np.linalg.lstsq(np.c_[train, np.ones(300)], 10 * np.eye(CLASSES)[labels], rcond=None)[0].T
    return {
        "train": train,
        "labels": labels,
        "known": known,
        "unknown": unknown,
        "weight": layer[:, :-1],
        "bias": layer[:, -1],
    }


def vim(features, weight, bias, train, dimension=None) -> np.ndarray:
    """`scores.vim` with the logits that the last layer makes."""
    return scores.vim(features, np.asarray(features) @ np.transpose(weight) + bias, weight, bias, train, dimension)


EVERY: dict[str, Callable[[np.ndarray, dict], np.ndarray]] = {
    "maximum_softmax": lambda x, w: scores.maximum_softmax(x @ w["weight"].T + w["bias"]),
    "maximum_logit": lambda x, w: scores.maximum_logit(x @ w["weight"].T + w["bias"]),
    "energy": lambda x, w: scores.energy(x @ w["weight"].T + w["bias"]),
    "mahalanobis": lambda x, w: scores.mahalanobis(x, w["train"], w["labels"]),
    "relative_mahalanobis": lambda x, w: scores.relative_mahalanobis(x, w["train"], w["labels"]),
    "nearest_neighbour": lambda x, w: scores.nearest_neighbour_score(x, w["train"], 10),
    "react": lambda x, w: scores.react(x, w["weight"], w["bias"], w["train"]),
    "vim": lambda x, w: vim(x, w["weight"], w["bias"], w["train"]),
}


@pytest.mark.parametrize("name", EVERY)
def test_known_samples_score_higher(name: str) -> None:
    here = world()
    assert auroc(EVERY[name](here["known"], here), EVERY[name](here["unknown"], here)) > 0.8


@pytest.mark.parametrize("name", EVERY)
def test_a_score_is_of_its_sample_alone(name: str) -> None:
    here = world()
    together = EVERY[name](here["known"], here)
    alone = [EVERY[name](sample[None], here)[0] for sample in here["known"][:5]]
    assert together.shape == (90,)
    assert together[:5] == pytest.approx(np.array(alone))


@pytest.mark.parametrize("name", EVERY)
def test_units_that_never_fire_change_nothing(name: str) -> None:
    here = world()
    wider = {
        key: np.c_[array, np.zeros((len(array), 4))] if key != "weight" else np.c_[array, np.ones((3, 4))]
        for key, array in here.items()
        if array.ndim == 2
    }
    padded = EVERY[name](wider["known"], here | wider)
    assert np.isfinite(padded).all()
    if name not in {"react", "vim"}:  # zeros lower the percentile, weights move the origin
        assert padded == pytest.approx(EVERY[name](here["known"], here))


@pytest.mark.parametrize("rows", [1, 7, 90])
@pytest.mark.parametrize("name", EVERY)
def test_blocks_do_not_show(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    here = world()
    expected = EVERY[name](here["known"], here)
    monkeypatch.setattr(blocks, "VALUES", rows * DIMENSION)
    assert EVERY[name](here["known"], here) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_is_fitted_once_scores_any_samples(tmp_path: Path) -> None:
    here = world()
    np.save(tmp_path / "train.npy", here["train"].astype(np.float32))
    train = np.load(tmp_path / "train.npy", mmap_mode="r")
    layer = here["weight"], here["bias"]
    fits = {
        "mahalanobis": fitted.fit_mahalanobis(train, here["labels"]),
        "relative_mahalanobis": fitted.fit_relative_mahalanobis(train, here["labels"]),
        "react": fitted.fit_react(*layer, train),
    }
    for samples in (here["known"], here["unknown"]):
        for name, fit in fits.items():
            assert fit.score(samples).tolist() == EVERY[name](samples, here | {"train": train}).tolist()
        logits = samples @ here["weight"].T + here["bias"]
        assert fitted.fit_vim(*layer, train).score(samples, logits).tolist() == vim(samples, *layer, train).tolist()


def test_shards_of_training_samples_fit_as_one() -> None:
    here = world()
    parts = [(here["train"][start::3], here["labels"][start::3]) for start in range(3)]  # a class each
    shards = fitted.mahalanobis_of(moments_of_parts(parts, scatter=True))
    expected = scores.mahalanobis(here["known"], here["train"], here["labels"])
    assert shards.score(here["known"]) == pytest.approx(expected)


def test_far_from_the_origin_mahalanobis_keeps_its_digits() -> None:
    here = world()
    far = [array + 1e4 for array in (here["known"], here["train"])]
    assert scores.mahalanobis(*far, here["labels"]) == pytest.approx(
        EVERY["mahalanobis"](here["known"], here), rel=1e-7
    )


def test_every_pass_is_told() -> None:
    here, told = world(), []
    scores.react(here["known"], here["weight"], here["bias"], here["train"], advance=told.append)
    assert told == [300] * 4 + [90]  # digits of double precision, then the samples


def test_softmax_and_energy_agree_with_torch() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 10)) * 20
    tensor = torch.from_numpy(logits)
    assert scores.maximum_softmax(logits) == pytest.approx(tensor.softmax(1).max(1).values.numpy())
    assert scores.maximum_logit(logits).tolist() == logits.max(axis=1).tolist()
    assert scores.energy(logits) == pytest.approx(tensor.logsumexp(1).numpy())
    assert scores.energy(logits, 5) == pytest.approx(5 * (tensor / 5).logsumexp(1).numpy())


def test_huge_logits_overflow_nothing_and_saturate_late() -> None:
    assert scores.energy([[1e5, -1e5]]).tolist() == [1e5]
    lead = scores.maximum_softmax(np.array([[1000.0, 970.0], [1000.0, 965.0], [1000.0, 950.0]]))
    assert lead[0] < lead[1] < 1 == lead[2]


def test_mahalanobis_agrees_with_scipy_and_scikit_learn() -> None:
    here = world()
    means = np.array([here["train"][here["labels"] == index].mean(axis=0) for index in range(CLASSES)])
    shared = EmpiricalCovariance(assume_centered=True).fit(here["train"] - means[here["labels"]])
    naive = [
        -min(scipy_mahalanobis(sample, mean, shared.precision_) ** 2 for mean in means) for sample in here["known"]
    ]
    assert scores.mahalanobis(here["known"], here["train"], here["labels"]) == pytest.approx(np.array(naive))
    overall = EmpiricalCovariance().fit(here["train"]).mahalanobis(here["known"])
    relative = scores.relative_mahalanobis(here["known"], here["train"], here["labels"])
    assert relative == pytest.approx(np.array(naive) + overall)


def test_mahalanobis_ignores_an_invertible_change_of_axes_and_the_names_of_classes() -> None:
    here = world()
    change = np.random.default_rng(1).normal(size=(DIMENSION, DIMENSION))
    straight = scores.mahalanobis(here["known"], here["train"], here["labels"])
    turned = scores.mahalanobis(here["known"] @ change, here["train"] @ change, here["labels"] * 7 - 3)
    assert turned == pytest.approx(straight)


def test_one_training_class_leaves_nothing_relative() -> None:
    here = world()
    one = np.zeros(300, dtype=int)
    assert scores.relative_mahalanobis(here["known"], here["train"], one).tolist() == [0.0] * 90


def test_classes_that_are_points_have_no_mahalanobis_distance() -> None:
    here = world()
    points = np.eye(DIMENSION)[here["labels"]]
    assert scores.mahalanobis(here["known"], points, here["labels"]).tolist() == [0.0] * 90


def test_nearest_neighbour_score_is_minus_the_distance_to_the_kth_direction() -> None:
    train = np.array([[2.0, 0.0], [0.0, 0.5], [-3.0, 0.0]])
    features = np.array([[9.0, 0.0], [0.0, 0.0]])
    assert scores.nearest_neighbour_score(features, train, 1) == pytest.approx([0, -1])
    assert scores.nearest_neighbour_score(features, train, 2) == pytest.approx([-np.sqrt(2), -1])
    most = scores.nearest_neighbour_score(features, train)
    assert most == pytest.approx(scores.nearest_neighbour_score(features, train, 3))


def test_react_clips_at_the_percentile_of_all_training_activations() -> None:
    here = world()
    ceiling = np.percentile(here["train"], 75)
    clipped = np.minimum(here["unknown"], ceiling) @ here["weight"].T + here["bias"]
    got = scores.react(here["unknown"], here["weight"], here["bias"], here["train"], 75)
    assert got == pytest.approx(scores.energy(clipped))
    calm = np.minimum(here["known"], here["train"].max())
    whole = scores.react(calm, here["weight"], here["bias"], here["train"], 100)
    assert whole == pytest.approx(EVERY["energy"](calm, here))


def test_vim_agrees_with_its_definition_in_the_complement() -> None:
    here = world()
    origin = -np.linalg.pinv(here["weight"], rcond=1e-5) @ here["bias"]
    covariance = EmpiricalCovariance(assume_centered=True).fit(here["train"] - origin).covariance_
    values, vectors = np.linalg.eigh(covariance)
    complement = vectors[:, np.argsort(values)[: DIMENSION - 5]]
    residual = {key: np.linalg.norm((here[key] - origin) @ complement, axis=1) for key in ("train", "unknown")}
    logits = here["train"] @ here["weight"].T + here["bias"]
    alpha = logits.max(axis=1).sum() / residual["train"].sum()
    naive = EVERY["energy"](here["unknown"], here) - alpha * residual["unknown"]
    got = vim(here["unknown"], here["weight"], here["bias"], here["train"], 5)
    assert got == pytest.approx(naive)


def test_the_subspace_of_vim_follows_the_directions_in_use() -> None:
    here = world()
    four = vim(here["known"], here["weight"], here["bias"], here["train"], 4)
    assert EVERY["vim"](here["known"], here).tolist() == four.tolist()
    with pytest.raises(InputError, match="dimension: 8, expected a whole number, 0 to 7"):
        vim(here["known"], here["weight"], here["bias"], here["train"], 8)


def test_a_last_layer_whose_rows_sum_to_zero_does_not_send_the_origin_of_vim_away() -> None:
    here = world()
    assert np.abs(here["weight"].sum(axis=0)).max() < 1e-12  # singular but for rounding
    exact = EVERY["vim"](here["known"], here)
    stored = here | {"weight": here["weight"].astype(np.float32), "bias": here["bias"].astype(np.float32)}
    assert EVERY["vim"](here["known"], stored) == pytest.approx(exact, rel=1e-3, abs=1e-3)


def test_vim_notices_a_unit_that_never_fired_in_training() -> None:
    here = world()
    train, known = np.c_[here["train"], np.zeros(300)], np.c_[here["known"], np.zeros(90)]
    weight = np.c_[here["weight"], np.zeros(3)]
    loud = known + 20 * np.eye(DIMENSION + 1)[-1]
    quiet = vim(known, weight, here["bias"], train)
    assert (vim(loud, weight, here["bias"], train) < quiet).all()
    same = scores.mahalanobis(known, train, here["labels"])
    assert scores.mahalanobis(loud, train, here["labels"]) == pytest.approx(same)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: scores.energy([[0.0]], 0), "temperature: 0, expected a number above 0"),
        (lambda: scores.energy([[0.0]], float("nan")), "temperature: nan"),
        (lambda: scores.nearest_neighbour_score([[1.0]], [[1.0]], 0), "k: 0"),
        (lambda: scores.react([[1.0]], [[1.0]], [0.0], [[1.0]], 0), "percentile: 0"),
        (lambda: scores.react([[1.0]], [[1.0]], [0.0, 0.0], [[1.0]]), "bias: 2 samples, expected 1"),
        (lambda: scores.react([[1.0]], [[1.0, 2.0]], [0.0], [[1.0]]), "weight: 2 columns, expected 1"),
        (
            lambda: scores.vim([[1.0]], [[1.0], [1.0]], [[1.0]], [0.0], [[1.0]]),
            "logits: 2 samples, expected 1",
        ),
        (lambda: scores.vim([[1.0]], [[1.0, 1.0]], [[1.0]], [0.0], [[1.0]]), "logits: 2 columns, expected 1"),
        (lambda: vim([[1.0]], [[1.0]], [0.0], [[0.0]]), "train features: all are the point"),
    ],
)
def test_wrong_options_say_what_was_expected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
