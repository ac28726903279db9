"""Settings that follow from others."""

from __future__ import annotations

from typing import Any

import pytest

from spacewise.errors import InputError
from spacewise.regime import Pretraining, SemiSupervised, Settings, Supervised, Transfer, settings_of


@pytest.mark.parametrize(("regime", "share"), [(Supervised, 0.1), (Pretraining, 0.1), (Transfer, 1.0)])
def test_the_rate_of_the_second_step(regime: type[Settings], share: float) -> None:
    """A tenth of the first's where a batch is seen again, the first's own where it aligns domains; or what is given."""
    assert regime(rate=0.02).second_rate == pytest.approx(0.02 * share)
    assert regime(rate=0.02, alternate_rate=0).second_rate == pytest.approx(0.02 * share)
    assert regime(rate=0.02, alternate_rate=3e-4).second_rate == 3e-4
    assert regime().second_rate == pytest.approx(1e-3 * share)


@pytest.mark.parametrize("regime", [Supervised, Transfer])
def test_what_follows_is_no_setting(regime: type[Settings]) -> None:
    assert not {"second_rate", "SECOND"} & {*regime().model_dump(), *regime.model_fields}


def test_few_labels_have_one_step_a_batch() -> None:
    regime = SemiSupervised()
    assert (regime.alternate, regime.second_rate) == ((), 0.0)
    assert not {"alternate", "alternate_rate", "second_rate"} & {*regime.model_dump(), *SemiSupervised.model_fields}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, "threshold: input should be less than or equal to 1, not 1.5"),
        ({"mu": -1}, "mu: input should be greater than or equal to 0, not -1"),
        ({"temperature": 0}, "temperature: input should be greater than 0, not 0"),
        ({"average": 1}, "average: input should be less than 1, not 1"),
        ({"choose": "train"}, "choose: input should be 'validation' or 'test', not 'train'"),
        ({"augmentation": "strong"}, "augmentation: input should be 'optical', 'bands' or 'radar', not 'strong'"),
        ({"flip": True}, "unknown key 'flip'"),
    ],
)
def test_a_wrong_setting_of_few_labels_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        settings_of(SemiSupervised, settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
