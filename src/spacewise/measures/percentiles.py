"""The percentile of all numbers of an array that is too large to sort: exact, with memory of one block."""

from __future__ import annotations

import numpy as np

from spacewise.measures.blocks import Advance, blocks

DIGIT = 16  # bits that one pass over the array settles: two passes in single precision, four in double


def percentile(values: np.ndarray, percent: float, *, advance: Advance | None = None) -> float:
    """What `np.percentile` gives for all numbers (sample, dimension) in double precision, to the last bit.

    Numbers are counted by the leading digits of their bits, then those that share the digits of the one
    that is looked for by the next digits, and so on: a radix selection.

    Args:
        values: finite.
        percent: 0 to 100.
        advance: called in every pass: two in single precision or half, four in others.
    """
    place = (values.size - 1) * np.true_divide(percent, 100)
    lower = int(np.floor(place))
    pair = _ordered(values, [lower, min(lower + 1, values.size - 1)], advance)
    return float(np.quantile(pair, place - lower))


def _ordered(values: np.ndarray, ranks: list[int], advance: Advance | None) -> np.ndarray:
    """The numbers that would stand at the ranks, counted from 0, if all were sorted."""
    kind = np.dtype(np.float32 if values.dtype in (np.float16, np.float32) else np.float64)
    bits = 8 * kind.itemsize
    prefixes = [0] * len(ranks)
    for shift in range(bits - DIGIT, -1, -DIGIT):
        counts = {prefix: np.zeros(2**DIGIT, dtype=np.int64) for prefix in prefixes}
        for _, block in blocks(values, advance=advance):
            keys = _keys(block.astype(kind).ravel())
            for prefix, count in counts.items():
                count += _digits(keys, prefix if shift + DIGIT < bits else None, shift)
        for number, (prefix, rank) in enumerate(zip(prefixes, ranks, strict=True)):
            upto = np.cumsum(counts[prefix])
            digit = int(np.searchsorted(upto, rank, side="right"))
            ranks[number] = rank - int(upto[digit] - counts[prefix][digit])
            prefixes[number] = prefix << DIGIT | digit
    return _numbers(np.array(prefixes, dtype=f"u{kind.itemsize}")).astype(np.float64)


def _digits(keys: np.ndarray, prefix: int | None, shift: int) -> np.ndarray:
    """How many keys (key,) of the prefix there are by their next digit."""
    if prefix is not None:
        keys = keys[keys >> keys.dtype.type(shift + DIGIT) == prefix]
    digits = (keys >> keys.dtype.type(shift)).astype(np.uint16)
    return np.bincount(digits, minlength=2**DIGIT)


def _keys(numbers: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the numbers: the sign bit turned, and all bits of negative numbers."""
    top = 8 * numbers.itemsize - 1
    negative = numbers.view(f"i{numbers.itemsize}") >> top  # all bits set or none
    negative |= np.array(1 << top, dtype=f"u{numbers.itemsize}").view(negative.dtype)
    negative ^= numbers.view(negative.dtype)
    return negative.view(f"u{numbers.itemsize}")


def _numbers(keys: np.ndarray) -> np.ndarray:
    """The numbers that `_keys` made keys of."""
    top = keys.dtype.type(1 << (8 * keys.itemsize - 1))
    return np.where(keys & top, keys ^ top, ~keys).view(f"f{keys.itemsize}")
