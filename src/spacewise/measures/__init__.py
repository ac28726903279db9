"""Measures: one module a question, asked of numpy arrays.

- `accuracy`: how often is the predicted class the true one, in each subset?
- `confusion`: which class is taken for which?
- `nearest`: who are the nearest neighbours, and do they carry the right label?
- `retrieval`: does a query find samples of its own class among its neighbours, and how early?
- `approximate`: the same by an index, and what that loses
- `representation`: are test samples embedded where training put their class?
- `separation`: how far do classes lie apart, against how far each spreads?
- `domains`: how far do two domains lie apart, and do their classes lie together?
- `sampling`: some samples in place of all: which to ask, and how far their mean may be from that of all
- `scores`: how much does a sample look like what was trained on?
- `rejection`: can what was never trained on be rejected?
- `projection`: what does a space look like on paper?
- `planes`: the same by several methods, fitted on the samples themselves or on others
- `summary`: over seeds and folds, is a difference more than chance?

Per sample first, mean second. Measures know nothing of runs, files or pages.
"""

from __future__ import annotations

from spacewise.measures import (
    accuracy,
    approximate,
    confusion,
    domains,
    nearest,
    planes,
    projection,
    rejection,
    representation,
    retrieval,
    sampling,
    scores,
    separation,
    summary,
)

__all__ = [
    "accuracy",
    "approximate",
    "confusion",
    "domains",
    "nearest",
    "planes",
    "projection",
    "rejection",
    "representation",
    "retrieval",
    "sampling",
    "scores",
    "separation",
    "summary",
]
