"""Numbers as they are printed: percent with one decimal, intervals beside every mean."""

from __future__ import annotations

import math

import numpy as np

SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def tight(text: str) -> str:
    """Text in which no line breaks between a number and its percent sign."""
    return text.replace(" %", f"{SPACE}%")


def number(value: float, digits: int = 1) -> str:
    """`94.1`; a dash for NaN; a true minus."""
    if math.isnan(value):
        return "–"
    shown = f"{value:.{digits}f}"
    if not shown.strip("-0."):
        shown = shown.lstrip("-")
    return shown.replace("-", MINUS)


def percent(share: float, sign: bool = True) -> str:
    """`94.1 %` of a share of 0.941."""
    shown = number(100 * share)
    return f"{shown}{SPACE}%" if sign and shown != "–" else shown


def large(value: float) -> str:
    """`12,420`, `227`, `22.9`: of figures without an upper end, three digits or all before the point."""
    if math.isnan(value) or abs(value) < 99.95:
        return number(value)
    return f"{value:,.0f}".replace("-", MINUS)


def interval(low: float, high: float, scale: float = 100, digits: int = 1) -> str:
    """`[92.8, 95.2]` of shares; nothing where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{number(scale * low, digits)}, {number(scale * high, digits)}]"


def signed(share: float, scale: float = 100, digits: int = 1) -> str:
    """`+9.4`, `−0.3`, in percentage points."""
    shown = number(scale * share, digits)
    return shown if shown.startswith((MINUS, "–")) or not shown.strip("0.") else f"+{shown}"


def probability(p: float) -> str:
    """`p < 0.001`, `p = 0.03`; nothing where there was no test."""
    if math.isnan(p):
        return ""
    if p < 0.001:
        return f"p{SPACE}<{SPACE}0.001"
    return f"p{SPACE}={SPACE}{p:.3f}" if p < 0.1 else f"p{SPACE}={SPACE}{p:.2f}"


def duration(seconds: float) -> str:
    """`11 min 25 s`."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}{SPACE}h {minutes}{SPACE}min"
    return f"{minutes}{SPACE}min {rest}{SPACE}s" if minutes else f"{rest}{SPACE}s"


def count(value: int) -> str:
    """`12,345`."""
    return f"{int(value):,}"


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share of n independent samples (Wilson, JASA 1927)."""
    if n == 0 or math.isnan(share):
        return math.nan, math.nan
    from scipy import stats  # here and below: a second to import

    low, high = stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
    return float(low), float(high)


def mean_interval(values: np.ndarray, least: float = 0.0, most: float = 1.0) -> tuple[float, float]:
    """95 % Student interval of the mean of (run,), within `least` to `most`; NaN for a single one."""
    if len(values) < 2:
        return math.nan, math.nan
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return max(least, float(values.mean()) - reach), min(most, float(values.mean()) + reach)
