"""Money is counted in whole billionths of a US dollar (nanodollars), never in floats.

A millionth is too coarse: a token of a cheap model costs a hundredth of it. 64 bits hold nine
billion dollars.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal

NANOS = 1_000_000_000


def nanos(usd: float | Decimal) -> int:
    """US dollars as nanodollars, rounded up: a budget errs to the careful side. Raises
    `ValueError` for what is no amount (NaN, infinite)."""
    # a float's shortest text is what was meant: 0.1, not the binary fraction next to it
    amount = usd if isinstance(usd, Decimal) else Decimal(repr(float(usd)))
    if not amount.is_finite():
        raise ValueError(f"{usd} is not an amount of money")
    return int((amount * NANOS).to_integral_value(ROUND_CEILING))


def dollars(nanodollars: int) -> float:
    """Nanodollars as US dollars, for JSON."""
    return float(Decimal(nanodollars) / NANOS)
