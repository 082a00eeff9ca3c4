"""Costs are whole numbers: no grouping, no cut of the journal and no order changes a digit."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (  # pyright: ignore[reportMissingTypeStubs]  untyped
    cohen_kappa_score,  # pyright: ignore[reportUnknownVariableType]
)

import kingpost as kp
from kingpost.monitoring import (
    COST_MIGRATIONS,
    GROUPINGS,
    OUTCOMES,
    CostBook,
    CostNews,
    CostPlan,
    GivenReview,
    Incident,
    MemoryCosts,
    MemoryMonitors,
    Owner,
    RecordCost,
    SqliteCosts,
    TokenCost,
    agreements,
    amount_text,
    cost_report,
    merged,
    usage_of,
)
from kingpost.storage import migrate

START_US = 1_792_800_000_000_000  # 2026-10-24
DAY_US = 24 * 3600 * 1_000_000
EVER = (0, 1 << 40)
PRICES = (
    kp.prices(
        currency="EUR",
        compute_s="0.000013888889",
        storage_gb_month="0.023",
        tokens={"small": ("0.15", "0.60"), "large": (3, "15.5")},
    ),
    kp.prices(
        currency="EUR", compute_s="0.0000271", tokens={"small": ("0.2", 1)}, since="2026-11-01"
    ),
)
BUDGETS = (
    kp.cost_budget("0.000002", team="risk"),
    kp.cost_budget("0.000003", product="checkout"),
    kp.cost_budget("0.000001", decision="limit"),
    kp.cost_budget("0.00001"),
)
PLAN = CostPlan.of(
    PRICES,
    BUDGETS,
    {
        "fraud": Owner("risk", "checkout"),
        "limit": Owner("risk", "refunds"),
        "label": Owner("docs", "checkout"),
    },
)

tenants, decisions = (
    st.sampled_from(["acme", "umbrella"]),
    st.sampled_from(["fraud", "limit", "label", "unowned"]),
)
moments = st.integers(0, 20 * DAY_US).map(lambda us: START_US + us)
records = st.builds(
    RecordCost,
    st.just(0),
    tenants,
    decisions,
    moments,
    st.integers(0, len(OUTCOMES) - 1),
    st.booleans(),
    st.integers(0, 3_000_000),
    st.integers(0, 5_000),
)
tokens = st.builds(
    TokenCost,
    st.just(0),
    tenants,
    decisions,
    moments,
    st.sampled_from(["small", "large", "free"]),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
reviews = st.builds(
    GivenReview,
    st.just(0),
    tenants,
    decisions,
    moments,
    st.integers(0, 5).map(lambda one: one.to_bytes(16)),
    st.sampled_from(["ann", "bob", "eve"]),
    st.sampled_from(("approved", "overridden")),
    st.booleans(),
    st.booleans(),
)
stories = st.lists(st.one_of(records, tokens, reviews), max_size=60).map(
    lambda story: [one._replace(offset=at) for at, one in enumerate(story)]
)
Told = RecordCost | TokenCost | GivenReview


def news_of(story: Sequence[Told]) -> CostNews:
    return CostNews(
        [one for one in story if isinstance(one, RecordCost)],
        [one for one in story if isinstance(one, TokenCost)],
        [one for one in story if isinstance(one, GivenReview)],
    )


def cut(story: Sequence[Told], places: Sequence[int]) -> list[Sequence[Told]]:
    bounds = [0, *sorted(place % (len(story) + 1) for place in places), len(story)]
    return [story[start:end] for start, end in pairwise(bounds)]


@given(story=stories, places=st.lists(st.integers(0, 1_000), max_size=8))
def test_what_is_counted_step_by_step_is_what_is_counted_at_once(
    story: list[Told], places: list[int]
) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection, "costs", COST_MIGRATIONS)
    kept, memory = SqliteCosts(connection), MemoryCosts()

    for part in cut(story, places):
        for store in (kept, memory):
            store.add(usage_of(news_of(part)))
            store.add_reviews(news_of(part).reviews)

    whole = usage_of(news_of(story))
    assert kept.usage(*EVER) == memory.usage(*EVER) == whole
    assert kept.reviews(0, 1 << 60) == memory.reviews(0, 1 << 60)
    assert kept.newest_day() == memory.newest_day() == max((one.day for one in whole), default=None)
    assert kept.usage(*EVER, tenant="acme") == {
        place: usage for place, usage in whole.items() if place.tenant == "acme"
    }
    connection.close()


@given(story=stories, shard_of=st.lists(st.integers(0, 9), min_size=60, max_size=60))
def test_ten_shards_add_up_to_one_pass(story: list[Told], shard_of: list[int]) -> None:
    shards: list[list[Told]] = [[] for _ in range(10)]
    for one, shard in zip(story, shard_of, strict=False):
        shards[shard].append(one)

    assert merged(usage_of(news_of(shard)) for shard in shards) == usage_of(news_of(story))


@given(story=stories)
def test_however_it_is_grouped_the_lines_add_up_to_the_total(story: list[Told]) -> None:
    usage = usage_of(news_of(story))
    price_of = {date(2026, 10, 1): PRICES[0], date(2026, 11, 1): PRICES[1]}
    expected = 0
    for place, one in usage.items():
        prices = price_of[date(2026, 11 if place.day * DAY_US >= 1_793_491_200_000_000 else 10, 1)]
        expected += one.compute_us * prices.compute + one.size_bytes * prices.storage
        expected += sum(
            read * prices.tokens.get(model, (0, 0))[0] + out * prices.tokens.get(model, (0, 0))[1]
            for model, (read, out) in one.tokens.items()
        )

    for by in GROUPINGS:
        report = cost_report(PLAN, usage, by)
        written = [Decimal(amount_text(group.amount)) for group in report.groups]
        lines = [
            Decimal(amount_text(one)) for group in report.groups for one in group.amounts.values()
        ]
        assert sum(written) == sum(lines) == Decimal(amount_text(report.total.amount))
        assert report.total.amount == expected
        if by != "resource":
            told = sum(group.usage.decisions for group in report.groups)
            assert told == report.total.usage.decisions


def observed(
    parts: Sequence[Sequence[Told]], *, anew: bool
) -> tuple[list[str], Sequence[Incident]]:
    """Note parts one after the other, by one book or each by a new one."""
    store, monitors = MemoryCosts(), MemoryMonitors()
    book, opened = CostBook(store, monitors, PLAN, "acme"), list[Incident]()
    for part in parts:
        book = CostBook(store, monitors, PLAN, "acme") if anew else book
        opened += book.note(news_of(part))
    return sorted(one.id for one in opened), monitors.incidents("acme", limit=1_000)


@given(story=stories, places=st.lists(st.integers(0, 1_000), max_size=8), anew=st.booleans())
def test_budgets_are_told_of_alike_however_the_journal_is_cut(
    story: list[Told], places: list[int], anew: bool
) -> None:
    identifiers, incidents = observed([story], anew=False)
    again, same = observed(cut(story, places), anew=anew)

    assert (again, same) == (identifiers, incidents)
    assert len(set(identifiers)) == len(identifiers)


@given(
    said=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60),
    only_one=st.lists(st.booleans(), max_size=5),
)
def test_kappa_is_that_of_scikit_learn(said: list[tuple[bool, bool]], only_one: list[bool]) -> None:
    given_reviews = [
        GivenReview(at, "acme", "fraud", 0, at.to_bytes(16), by, "approved", positive, asked=True)
        for at, both in enumerate(said)
        for by, positive in zip(("ann", "bob"), both, strict=True)
    ] + [
        GivenReview(
            at, "acme", "fraud", 0, at.to_bytes(16), "ann", "approved", positive, asked=True
        )
        for at, positive in enumerate(only_one, len(said))
    ]

    [found] = agreements(given_reviews)
    [pair] = found.pairs
    ann, bob = zip(*said, strict=True)

    assert (pair.records, found.judged_twice) == (len(said), len(said))
    assert pair.agreed == sum(first == second for first, second in said)
    if len(set(ann) | set(bob)) == 1:
        assert pair.kappa is None
    else:
        assert pair.kappa == pytest.approx(float(cohen_kappa_score(ann, bob)), abs=1e-12)
