"""Regimes: one readable loop each."""

from spacewise.learn.start import ensure, start
from spacewise.learn.supervised import supervised
from spacewise.learn.transfer import transfer

__all__ = ["ensure", "start", "supervised", "transfer"]
