"""What things cost, as an application declares it.

    prices = kp.prices(
        currency="EUR",
        compute_s="0.000014",
        storage_gb_month="0.025",
        tokens={"small-lm": ("0.15", "0.60")},
    )

The rule: prices hold from a day on until the next ones do. They are applied when costs are
asked for, never stored with them, so a wrong price can be mended afterwards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from kingpost.core import Place, caller_place
from kingpost.monitoring.costs.amounts import Number, atto_of
from kingpost.monitoring.errors import WrongCost

__all__ = ["Prices", "TokenPrice", "prices"]

_CURRENCY = re.compile(r"[A-Z]{3}")
_MICROSECONDS = 1_000_000
_GIGABYTE = 10**9
_TOKENS = 1_000_000
_MOST_MONTHS = 1_200
TokenPrice = tuple[int, int]
"""What a token read and a token written cost, in attos."""


@dataclass(frozen=True)
class Prices:
    """What things cost from a day on; amounts in attos of the currency.

    Attributes:
        since: The first day, UTC; None is from the beginning.
        compute: A microsecond of features and model.
        storage: A byte, for as long as it is kept.
        tokens: Of a model by its name, a token read and a token written.
    """

    currency: str
    since: date | None
    compute: int
    storage: int
    tokens: Mapping[str, TokenPrice]
    place: Place


def prices(
    *,
    currency: str,
    compute_s: Number = 0,
    storage_gb_month: Number = 0,
    storage_months: int = 12,
    tokens: Mapping[str, tuple[Number, Number]] | None = None,
    since: str | date | None = None,
) -> Prices:
    """Declare what things cost.

    Args:
        currency: Its code, as `"EUR"`.
        compute_s: A second of computing, 12 decimals at most.
        storage_gb_month: 10⁹ bytes kept for a month, 9 decimals at most.
        storage_months: How long a record is kept; all of it is charged when it is written.
        tokens: Of each model, as `note_tokens` names it, a million tokens read and a million
            written, 12 decimals at most.
        since: The first day they hold, as `"2026-11-01"`, UTC; without, from the beginning.

    Raises:
        WrongCost: An amount, the currency or the day is none.
    """
    place = caller_place()
    if _CURRENCY.fullmatch(currency) is None:
        raise WrongCost(f"the currency is {currency!r}", "give its code, as 'EUR'", place)
    if not 1 <= storage_months <= _MOST_MONTHS:
        raise WrongCost(f"storage_months is {storage_months}", f"give 1 to {_MOST_MONTHS}", place)

    def read(what: str, amount: Number, per: int) -> int:
        try:
            return atto_of(amount, per=per)
        except ValueError as error:
            raise WrongCost(f"{what}: {error}", "give an amount as '0.025'", place) from None

    of_models = {
        model: (
            read(f"tokens of {model!r}", given[0], _TOKENS),
            read(f"tokens of {model!r}", given[1], _TOKENS),
        )
        for model, given in (tokens or {}).items()
    }
    return Prices(
        currency,
        _day(since, place),
        read("compute_s", compute_s, _MICROSECONDS),
        read("storage_gb_month", storage_gb_month, _GIGABYTE) * storage_months,
        of_models,
        place,
    )


def _day(since: str | date | None, place: Place) -> date | None:
    if not isinstance(since, str):
        return since
    try:
        return date.fromisoformat(since)
    except ValueError:
        raise WrongCost(f"since is {since!r}", "write the day as '2026-11-01'", place) from None
