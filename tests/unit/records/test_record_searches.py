"""Every search of records keeps the same promises."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace as replaced
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace

from kingpost.core import id_text
from kingpost.records import (
    RECORD_MIGRATIONS,
    KnownLabel,
    MemoryRecords,
    Outcome,
    RecordLine,
    RecordQuery,
    RecordSearch,
    RecordSearchFailed,
    Review,
    SqliteRecords,
)
from kingpost.storage import migrate, open_database

MINUTE_US = 60_000_000
CALLS: list[Callable[[RecordSearch], object]] = [
    lambda search: search.add([line(1)]),
    lambda search: search.label("acme", "fraud", [KnownLabel("p1", True, 70, 8)]),
    lambda search: search.review("acme", [review(1, positive=True)]),
    lambda search: search.get("acme", b"0" * 16),
    lambda search: search.find(query()),
    lambda search: search.count("acme", "fraud"),
    lambda search: search.decisions("acme"),
    lambda search: search.last_at("acme"),
    lambda search: search.remove([(0, 9)]),
]


@pytest.fixture(params=["memory", "sqlite"])
def search(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordSearch]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    connection = open_database(tmp_path / "observed.sqlite")
    migrate(connection, "records", RECORD_MIGRATIONS)
    yield SqliteRecords(connection)
    connection.close()


def line(number: int, **changes: object) -> RecordLine:
    made = RecordLine(
        id=number.to_bytes(16),
        offset=2 * number + 1,
        tenant="acme",
        decision="fraud",
        bundle=b"b" * 32,
        model=b"m" * 32,
        event_key=f"p{number}",
        session=None,
        trace_id=f"{number:032x}",
        event_time_us=number * MINUTE_US,
        at_us=1_000_000 + number,
        outcome=Outcome.DECIDED,
        positive=False,
        score=0.25,
        confidence=0.75,
    )
    return replace(made, **changes)  # pyright: ignore[reportArgumentType]  fields of a line


def query(text: str = "", **changes: object) -> RecordQuery:
    made = RecordQuery(tenant="acme", decision="fraud", text=text)
    return replaced(made, **changes)  # pyright: ignore[reportArgumentType]  fields of a query


def review(
    number: int,
    *,
    positive: bool,
    verdict: Literal["approved", "overridden"] = "overridden",
    reason: str = "",
    at_us: int = 5,
) -> Review:
    return Review(
        format=1,
        record=number.to_bytes(16),
        decision="fraud",
        verdict=verdict,
        positive=positive,
        reason=reason,
        by="Ann",
        at_us=at_us,
        task="",
    )


def numbers(found: Sequence[RecordLine]) -> list[int]:
    return [(one.offset - 1) // 2 for one in found]


def test_a_record_comes_back_as_it_was_added(search: RecordSearch) -> None:
    lines = [
        line(1),
        line(2, session="s", positive=None, score=None, outcome=Outcome.REFUSED),
        line(3, positive=True, score=0.1 + 0.2, outcome=Outcome.REVIEW),
    ]
    search.add(lines)

    assert [search.get("acme", one.id) for one in lines] == lines
    assert search.get("acme", b"0" * 16) is None
    assert list(search.find(query())) == lines[::-1]


def test_a_record_that_is_known_stays_as_it_is(search: RecordSearch) -> None:
    search.add([line(1)])
    search.review("acme", [review(1, positive=True)])
    search.add([line(1), line(2)])

    found = search.get("acme", line(1).id)
    assert found is not None
    assert found.review == "overridden"
    assert search.count("acme", "fraud") == 2


def test_nothing_of_one_tenant_is_shown_to_another(search: RecordSearch) -> None:
    search.add([line(1), line(2, tenant="umbrella", session="s2")])
    other = line(2)

    assert search.get("acme", other.id) is None
    assert numbers(search.find(query())) == [1]
    for text in (id_text(other.id), other.event_key, other.trace_id, "s2"):
        assert not search.find(query(text))
    assert not search.review("acme", [review(2, positive=True)])
    assert not search.label("acme", "fraud", [KnownLabel("p2", True, 9, 99)])
    found = search.get("umbrella", other.id)
    assert found is not None
    assert (found.review, found.label) == (None, None)


def test_records_are_counted_by_decision(search: RecordSearch) -> None:
    assert (search.count("acme", "fraud"), search.last_at("acme")) == (0, None)
    search.add([line(1, at_us=7), line(2, at_us=5), line(3, decision="churn", at_us=6)])
    search.add([line(4, tenant="umbrella", at_us=9)])

    assert (search.count("acme", "fraud"), search.count("acme", "churn")) == (2, 1)
    assert list(search.decisions("acme")) == ["churn", "fraud"]
    assert list(search.decisions("nobody")) == []
    assert (search.last_at("acme"), search.last_at("umbrella")) == (7, 9)


def test_the_newest_events_come_first_also_when_they_were_decided_late(
    search: RecordSearch,
) -> None:
    search.add([line(1), line(2, event_time_us=0), line(3), line(4, event_time_us=3 * MINUTE_US)])

    assert numbers(search.find(query())) == [4, 3, 1, 2]


def test_pages_follow_each_other_without_gap_or_overlap(search: RecordSearch) -> None:
    search.add([line(at, event_time_us=at // 4 * MINUTE_US) for at in range(23)])

    pages: list[int] = []
    before = None
    while found := search.find(query(before=before, limit=5)):
        pages += numbers(found)
        before = found[-1].place

    assert pages == list(range(23))[::-1]


@pytest.mark.parametrize("text", [id_text((3).to_bytes(16)), "p3", f"{3:032x}", "basket"])
def test_a_text_finds_the_records_it_names_exactly(search: RecordSearch, text: str) -> None:
    search.add([line(1), line(3, session="basket"), line(4, session="basket2")])

    assert numbers(search.find(query(text))) == [3]
    assert not search.find(query(text[:-1]))
    assert not search.find(query(text, decision="churn"))
    assert not search.find(query(text, outcome=Outcome.FAILED))


def test_a_text_finds_records_far_apart_page_by_page(search: RecordSearch) -> None:
    far = [line(at * 100_000, session="basket") for at in range(1, 30)]
    search.add(far[::2])
    search.add(far[1::2])

    first = search.find(query("basket", limit=20))
    rest = search.find(query("basket", limit=20, before=first[-1].place))
    assert [*first, *rest] == far[::-1]


def test_filters_narrow_a_search(search: RecordSearch) -> None:
    outcomes = list(Outcome)
    search.add([line(at, outcome=outcomes[at % 5]) for at in range(20)])
    search.review("acme", [review(at, positive=True) for at in (2, 7, 8)])
    search.review("acme", [review(12, positive=False, verdict="approved")])

    assert numbers(search.find(query(outcome=Outcome.REVIEW))) == [17, 12, 7, 2]
    assert numbers(search.find(query(review="overridden"))) == [8, 7, 2]
    assert numbers(search.find(query(review="approved"))) == [12]
    assert numbers(search.find(query(review="none", limit=3))) == [19, 18, 17]
    assert numbers(search.find(query(outcome=Outcome.REVIEW, review="none"))) == [17]
    assert numbers(search.find(query(since_us=3 * MINUTE_US, until_us=5 * MINUTE_US))) == [4, 3]


def test_a_model_a_bundle_and_a_principal_are_found(search: RecordSearch) -> None:
    bundles, models = (b"b" * 32, b"c" * 32, b"d" * 32), (b"m" * 32, b"m" * 32, b"n" * 32)
    search.add(
        [
            line(at, bundle=bundles[at % 3], model=models[at % 3], principal=f"key-{at % 2}")
            for at in range(12)
        ]
    )

    assert numbers(search.find(query(model=b"m" * 32))) == [10, 9, 7, 6, 4, 3, 1, 0]
    assert numbers(search.find(query(model=b"m" * 32, limit=3))) == [10, 9, 7]
    assert numbers(search.find(query(model=b"c" * 32))) == [10, 7, 4, 1]
    assert numbers(search.find(query(model=b"x" * 32))) == []
    assert numbers(search.find(query(principal="key-1", limit=2))) == [11, 9]
    assert numbers(search.find(query(principal="key-1", model=b"n" * 32))) == [11, 5]
    assert numbers(search.find(query("p4", principal="key-1"))) == []
    assert search.find(query(principal="key-1", limit=1))[0].principal == "key-1"


def test_a_label_joins_the_records_before_it(search: RecordSearch) -> None:
    search.add([line(1), line(2), line(5, event_key="p1")])

    joined = search.label("acme", "fraud", [KnownLabel("p1", True, 70, 8)])

    found = search.get("acme", line(1).id)
    assert found == line(1, label=True, label_known_us=70)
    assert [(one.record, one.was) for one in joined] == [(line(1).id, None)]
    assert search.get("acme", line(5).id) == line(5, event_key="p1")


def test_of_several_labels_the_last_one_counts(search: RecordSearch) -> None:
    search.add([line(1)])

    one = search.label(
        "acme", "fraud", [KnownLabel("p1", True, 70, 8), KnownLabel("p1", False, 60, 9)]
    )
    other = search.label("acme", "fraud", [KnownLabel("p1", True, 65, 10)])

    assert [(told.label.positive, told.was) for told in [*one, *other]] == [
        (True, None),
        (False, True),
        (True, False),
    ]
    assert search.get("acme", line(1).id) == line(1, label=True, label_known_us=65)


def test_a_record_whose_session_is_anothers_key_is_labelled_once(search: RecordSearch) -> None:
    search.add([line(1, session="p2"), line(2)])

    joined = search.label(
        "acme", "fraud", [KnownLabel("p1", True, 70, 8), KnownLabel("p2", False, 70, 9)]
    )

    assert [(one.record, one.was) for one in joined] == [(line(1).id, None), (line(2).id, None)]


def test_labels_of_nobodys_key_change_nothing(search: RecordSearch) -> None:
    search.add([line(1)])

    assert not search.label("acme", "churn", [KnownLabel("p1", True, 70, 8)])
    assert not search.label("acme", "fraud", [KnownLabel("p9", True, 70, 8)])
    assert not search.label("acme", "fraud", [])


def test_of_several_reviews_the_last_one_stands(search: RecordSearch) -> None:
    search.add([line(1)])

    told = search.review(
        "acme",
        [
            review(1, positive=True, reason="I know them"),
            review(9, positive=True),
            review(1, positive=False, verdict="approved", at_us=4),
        ],
    )

    assert [(one.review, one.stands, one.reviewed_us) for one in told] == [
        ("overridden", True, 5),
        ("approved", False, 4),
    ]
    assert search.get("acme", line(1).id) == told[1]
    assert numbers(search.find(query(review="approved"))) == [1]
    assert not search.find(query(review="overridden"))


def test_what_was_mistaken_is_found_until_it_is_set_right(search: RecordSearch) -> None:
    search.add([line(1), line(2), line(3, positive=None), line(4)])
    search.label(
        "acme", "fraud", [KnownLabel(f"p{at}", at != 2, 70, 100 + at) for at in (1, 2, 3, 4)]
    )
    assert numbers(search.find(query(mistaken=True))) == [4, 1]

    search.review("acme", [review(1, positive=True)])
    assert numbers(search.find(query(mistaken=True))) == [4]

    search.review("acme", [review(2, positive=True)])
    assert numbers(search.find(query(mistaken=True))) == [4, 2]
    assert numbers(search.find(query(mistaken=True, review="overridden"))) == [2]


@pytest.mark.parametrize("call", CALLS)
def test_a_database_without_its_tables_is_a_clear_error(
    tmp_path: Path, call: Callable[[RecordSearch], object]
) -> None:
    connection = open_database(tmp_path / "observed.sqlite")
    try:
        with pytest.raises(RecordSearchFailed, match="no such table"):
            call(SqliteRecords(connection))
    finally:
        connection.close()


def test_what_is_let_go_is_found_no_more_and_not_counted(search: RecordSearch) -> None:
    search.add([line(number) for number in range(1, 9)])

    assert search.remove([(3, 6), (9, 10), (400, 500)]) == 3
    assert search.remove([]) == 0

    left = [number for number in range(1, 9) if not (3 <= 2 * number + 1 < 6 or number == 4)]
    assert [one.id for one in search.find(query(limit=50))] == [
        number.to_bytes(16) for number in reversed(left)
    ]
    assert search.count("acme", "fraud") == len(left)
    assert search.get("acme", (4).to_bytes(16)) is None
    assert search.find(query(text="p4")) == []
    assert [one.event_key for one in search.find(query(text="p5"))] == ["p5"]


@pytest.mark.parametrize("outcome", [None, Outcome.DECIDED])
@pytest.mark.parametrize("model", [b"", b"m" * 32])
def test_records_are_found_by_when_they_were_decided_and_how_long_that_took(
    search: RecordSearch, outcome: Outcome | None, model: bytes
) -> None:
    search.add(
        [
            line(1, took_us=10),
            line(2, took_us=90),
            line(3, took_us=10, outcome=Outcome.FAILED),
            line(4, took_us=90),
        ]
    )

    def numbers(**changes: int) -> list[int]:
        found = search.find(replaced(query(outcome=outcome, model=model), **changes))
        return [int.from_bytes(one.id) for one in found]

    failed = [] if outcome else [3]
    assert numbers(missed_us=50) == [4, *failed, 2]
    assert numbers(missed_us=90) == failed
    assert numbers(decided_since_us=1_000_002, decided_until_us=1_000_004) == [*failed, 2]
    assert numbers(missed_us=50, decided_since_us=1_000_004) == [4]
    assert search.find(query(text="p2", missed_us=50))[0].took_us == 90
    assert not search.find(query(text="p2", missed_us=90))
