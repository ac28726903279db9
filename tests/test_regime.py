"""Settings that follow from others."""

from __future__ import annotations

import pytest

from spacewise.regime import Pretraining, Settings, Supervised, Transfer


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
