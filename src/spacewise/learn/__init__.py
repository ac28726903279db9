"""Regimes: one readable loop each."""

from spacewise.learn.semi_supervised import semi_supervised
from spacewise.learn.start import ensure, start
from spacewise.learn.supervised import supervised
from spacewise.learn.transfer import transfer

__all__ = ["ensure", "semi_supervised", "start", "supervised", "transfer"]
