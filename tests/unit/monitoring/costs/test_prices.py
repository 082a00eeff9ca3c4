"""Prices and budgets: exact amounts, and declarations that cannot be."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import kingpost as kp
from kingpost.monitoring import CostPlan, Owner, Usage, WrongCost, amount_text, shown_amount

RISK = {"fraud": Owner("risk", "checkout")}
IN_NOVEMBER = 20_758  # 2026-11-01, days since 1970


def test_a_price_is_a_whole_number_for_the_smallest_thing() -> None:
    made = kp.prices(
        currency="EUR",
        compute_s="0.000014",
        storage_gb_month=Decimal("0.025"),
        storage_months=12,
        tokens={"small": (0.15, "0.60"), "large": (3, 15)},
        since="2026-11-01",
    )

    assert made.compute == 14 * 10**6
    assert made.storage == 12 * 25 * 10**6
    assert made.tokens == {
        "small": (15 * 10**10, 60 * 10**10),
        "large": (3 * 10**12, 15 * 10**12),
    }
    assert made.since == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"currency": "euro"}, "the currency is 'euro'"),
        ({"currency": "EUR", "compute_s": "-1"}, "no number from 0"),
        ({"currency": "EUR", "compute_s": "cheap"}, "'cheap' is no number"),
        ({"currency": "EUR", "compute_s": float("nan")}, "no number from 0"),
        ({"currency": "EUR", "compute_s": "0.0000000000001"}, "more than 12 decimals"),
        ({"currency": "EUR", "storage_gb_month": "0.0000000001"}, "more than 9 decimals"),
        ({"currency": "EUR", "storage_months": 0}, "storage_months is 0"),
        ({"currency": "EUR", "tokens": {"small": ("0.1", "x")}}, "tokens of 'small'"),
        ({"currency": "EUR", "since": "November"}, "write the day as '2026-11-01'"),
    ],
)
def test_prices_that_cannot_be_name_the_line(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(WrongCost, match=said) as failure:
        kp.prices(**wrong)  # pyright: ignore[reportArgumentType]

    assert Path(failure.value.place.file) == Path(__file__)


def test_a_budget_is_of_one_thing_and_more_than_nothing() -> None:
    assert kp.cost_budget("100", team="risk").name == "team risk"
    assert kp.cost_budget("100", decision="fraud").name == "decision fraud"
    assert kp.cost_budget("100").name == "everything"
    with pytest.raises(WrongCost, match="at once"):
        kp.cost_budget("100", team="risk", product="checkout")
    with pytest.raises(WrongCost, match="monthly is 0"):
        kp.cost_budget(0, team="risk")
    with pytest.raises(WrongCost, match="no number"):
        kp.cost_budget("much")


def test_a_plan_refuses_what_does_not_go_together() -> None:
    euro = kp.prices(currency="EUR")

    with pytest.raises(WrongCost, match="nothing has a price"):
        CostPlan.of([], [kp.cost_budget("1")], RISK)
    with pytest.raises(WrongCost, match="team refunds, which no decision has"):
        CostPlan.of([euro], [kp.cost_budget("1", team="refunds")], RISK)
    with pytest.raises(WrongCost, match="two prices hold from the beginning"):
        CostPlan.of([euro, kp.prices(currency="EUR")], [], RISK)
    with pytest.raises(WrongCost, match="EUR and in USD"):
        CostPlan.of([euro, kp.prices(currency="USD", since="2026-11-01")], [], RISK)


def test_the_prices_of_the_day_hold() -> None:
    plan = CostPlan.of(
        [
            kp.prices(currency="EUR", compute_s=2, since="2026-11-01"),
            kp.prices(currency="EUR", compute_s=1, since="2026-10-01"),
        ],
        [],
        RISK,
    )
    second = Usage(compute_us=1_000_000)

    assert amount_text(plan.amount(IN_NOVEMBER, second)) == "2"
    assert amount_text(plan.amount(IN_NOVEMBER - 1, second)) == "1"
    before = IN_NOVEMBER - 32
    assert plan.prices_on(before) is None
    assert [line.is_priced for line in plan.lines(before, second)] == [False, False]


def test_amounts_are_written_whole_and_shown_short() -> None:
    assert amount_text(12_500_000_000_000_000_000) == "12.5"
    assert amount_text(1) == "0.000000000000000001"
    assert amount_text(0) == "0"
    assert shown_amount(1_234_567_000_000_000_000_000) == "1,234.57"
    assert shown_amount(12_345_678_901) == "0.00000001235"
    assert shown_amount(0) == "0.00"
