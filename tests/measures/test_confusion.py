from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from spacewise.errors import InputError
from spacewise.measures.confusion import confusion, normalised

NAMES = ["2S1", "BMP2", "BRDM2", "T72"]


def test_rows_are_true_columns_predicted() -> None:
    counts = confusion([0, 0, 0, 1], [0, 2, 2, 1], NAMES)
    assert counts.loc["2S1", "BRDM2"] == 2
    assert counts.loc["BRDM2", "2S1"] == 0
    assert counts.to_numpy().sum() == 4
    assert (counts.index.name, counts.columns.name) == ("true", "predicted")
    assert list(counts.index) == list(counts.columns) == NAMES


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(4, size=(2, 500))
    counts = confusion(labels.astype(np.uint8), predictions.astype(np.int16), NAMES)
    assert (counts.to_numpy() == confusion_matrix(labels, predictions)).all()
    expected = confusion_matrix(labels, predictions, normalize="true") * 100
    assert normalised(counts).to_numpy() == pytest.approx(expected)


def test_a_class_without_samples_has_no_percentages() -> None:
    percent = normalised(confusion([0, 0], [0, 1], NAMES))
    assert percent.loc["2S1"].tolist() == [50, 50, 0, 0]
    assert percent.loc["T72"].isna().all()


def test_many_classes_of_narrow_integers_do_not_overflow() -> None:
    labels = np.arange(100, dtype=np.uint8)
    counts = confusion(labels, labels, [str(index) for index in range(100)])
    assert (counts.to_numpy() == np.eye(100)).all()


@pytest.mark.parametrize(
    ("labels", "predictions", "names", "message"),
    [
        ([0, 4], [0, 0], NAMES, "labels: class index 4, expected 0 to 3"),
        ([0, 0], [0, -1], NAMES, "predictions: class index -1, expected 0 to 3"),
        ([0, 1], [0, 1], ["a", "a"], "classes: 2 names of which 1 differ"),
    ],
)
def test_indices_without_a_name_are_refused(labels: list, predictions: list, names: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        confusion(labels, predictions, names)
