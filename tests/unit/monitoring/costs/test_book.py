"""The book of costs: who is told of a budget, when and how often."""

import kingpost as kp
from kingpost.monitoring import (
    RUNBOOKS,
    CostBook,
    CostNews,
    CostPlan,
    Incident,
    MemoryCosts,
    MemoryMonitors,
    Owner,
    RecordCost,
)

NOVEMBER_US = 1_793_491_200_000_000
DECEMBER_US = NOVEMBER_US + 30 * 24 * 3600 * 1_000_000
OWNERS = {"fraud": Owner("risk"), "limit": Owner("risk"), "label": Owner("docs")}
PRICES = kp.prices(currency="EUR", compute_s=1)


class House:
    """A book that may be made anew over what it kept, with a plan that may change."""

    def __init__(self, monthly: str = "10") -> None:
        self.store, self.monitors = MemoryCosts(), MemoryMonitors()
        self.number = 0
        self.open(monthly)

    def open(self, monthly: str) -> None:
        plan = CostPlan.of([PRICES], [kp.cost_budget(monthly, team="risk")], OWNERS)
        self.book = CostBook(self.store, self.monitors, plan, "acme")

    def spend(
        self, *seconds: float, decision: str = "fraud", at_us: int = NOVEMBER_US
    ) -> list[str]:
        """Decide with so much computing in one step; return what was opened."""
        records: list[RecordCost] = []
        for one in seconds:
            self.number += 1
            spent_us = round(one * 1_000_000)
            records.append(
                RecordCost(
                    self.number, "umbrella", decision, at_us + self.number, 0, False, spent_us, 100
                )
            )
        return [one.title for one in self.book.note(CostNews(records))]

    def incidents(self) -> list[Incident]:
        return sorted(self.monitors.incidents("acme"), key=lambda one: one.limit)


def test_a_budget_is_told_of_at_80_and_at_100_per_cent_and_no_more() -> None:
    house = House()

    assert house.spend(7.99) == []
    assert house.spend(0.01) == [
        "team risk has spent 80% of its budget for November 2026: 8.00 of 10.00 EUR"
    ]
    assert house.spend(1, decision="limit") == []
    assert house.spend(5, decision="label") == []
    assert house.spend(2, decision="limit") == [
        "team risk has spent 100% of its budget for November 2026: 11.00 of 10.00 EUR"
    ]
    house.open("10")
    assert house.spend(100) == []
    first, second = house.incidents()
    assert first.facts == ("fraud: 8.00 EUR",)
    assert second.facts == ("fraud: 8.00 EUR", "limit: 3.00 EUR")
    assert (second.kind, second.decision) == ("cost", "budget of team risk")
    assert (second.value, second.limit) == (11.0, 10.0)
    assert second.runbook == RUNBOOKS["cost"]


def test_both_are_opened_at_once_each_at_the_record_that_came_there() -> None:
    house = House()

    assert len(house.spend(4, 4, 1, 1, 1)) == 2
    first, second = house.incidents()
    assert (first.opened_us - NOVEMBER_US, second.opened_us - NOVEMBER_US) == (2, 4)
    assert (first.value, second.value) == (8.0, 10.0)


def test_incidents_end_with_their_month_and_the_next_one_begins_anew() -> None:
    house = House()
    house.spend(9)

    opened = house.spend(9, at_us=DECEMBER_US)

    assert "80% of its budget for December 2026" in opened[0]
    november, december = sorted(house.monitors.incidents("acme"), key=lambda one: one.opened_us)
    assert (november.ended_us, december.ended_us) == (DECEMBER_US, None)
    assert november.breach_since_us == NOVEMBER_US


def test_a_record_of_a_month_that_is_over_opens_what_has_ended() -> None:
    house = House()
    house.spend(1, at_us=DECEMBER_US)

    assert len(house.spend(9)) == 1
    assert [one.ended_us for one in house.incidents()] == [DECEMBER_US]


def test_a_budget_that_was_raised_or_lowered_is_told_of_anew() -> None:
    house = House()
    house.spend(9)
    house.open("20")
    assert house.spend(1) == []
    assert len(house.spend(6)) == 1
    house.open("5")

    assert len(house.spend(0.001)) == 2
    assert len({one.id for one in house.incidents()}) == 4


def test_news_without_anything_opens_nothing() -> None:
    house = House()

    assert house.book.note(CostNews()) == ()
