"""Regimes: one readable loop each."""

from spacewise.learn.start import ensure, start
from spacewise.learn.supervised import supervised

__all__ = ["ensure", "start", "supervised"]
