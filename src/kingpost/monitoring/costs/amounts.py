"""Amounts of money without rounding: whole numbers of 10⁻¹⁸ of a currency's unit.

The rule: a price is a whole number of these for the smallest thing that is counted, a
microsecond, a byte or a token. So an amount is a product and a sum of whole numbers, and does
not depend on the order or on how it was grouped.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

__all__ = ["ATTO", "Number", "amount_text", "atto_of", "shown_amount"]

ATTO = 10**18
"""So many make one unit of the currency."""

Number = str | int | float | Decimal
"""How people write an amount; a float is taken as it is printed."""

_DIGITS = 18
_WIDE = Context(prec=80, rounding=ROUND_HALF_EVEN)
_CENT = Decimal("0.01")
_SMALL = Context(prec=4, rounding=ROUND_HALF_EVEN)


def atto_of(amount: Number, *, per: int = 1) -> int:
    """Return what one of so many costs, when all of them cost an amount.

    Raises:
        ValueError: It is no number from 0, or has more decimals than can be counted.
    """
    try:
        exact = Decimal(str(amount))
    except InvalidOperation:
        raise ValueError(f"{amount!r} is no number") from None
    if not exact.is_finite() or exact < 0:
        raise ValueError(f"{amount!r} is no number from 0")
    scaled = _WIDE.divide(_WIDE.multiply(exact, Decimal(ATTO)), Decimal(per))
    whole = int(scaled)
    if scaled != whole:
        decimals = _DIGITS - (len(str(per)) - 1)
        raise ValueError(f"{amount!r} has more than {decimals} decimals")
    return whole


def amount_text(atto: int) -> str:
    """Write an amount with all of its decimals: `12.5`, `0.000000000012`."""
    whole, rest = divmod(abs(atto), ATTO)
    decimals = f"{rest:0{_DIGITS}}".rstrip("0")
    return f"{'-' if atto < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def shown_amount(atto: int) -> str:
    """Write an amount for people: to the cent, a small one with four digits."""
    exact = Decimal(amount_text(atto))
    if abs(exact) >= 1 or not exact:
        return f"{_WIDE.quantize(exact, _CENT):,f}"
    return f"{_SMALL.plus(exact):f}"
