"""Summaries add up, and come back as they were written."""

import numpy as np
import pytest

from kingpost.monitoring import HOUR_US, MINUTE_US, NewerSummary, Summary
from kingpost.monitoring.counts import COLUMNS_AT, STAGES_AT, Count
from kingpost.monitoring.summary import decode_summary, encode_summary
from kingpost.records import Outcome
from kingpost.stats import HISTOGRAM_BINS, BinMismatch


def summary(seed: int, widths: tuple[int, ...] = (4, 3), largest: int = 50) -> Summary:
    counts = np.random.default_rng(seed).integers(0, largest, COLUMNS_AT + sum(widths))
    return Summary("acme", "fraud", b"b" * 32, 7 * HOUR_US, HOUR_US, widths, counts)


@pytest.mark.parametrize("largest", [2, 1 << 10, 1 << 20, 1 << 40])
def test_counts_of_any_size_come_back(largest: int) -> None:
    written = summary(1, largest=largest)

    read = decode_summary("acme", "fraud", b"b" * 32, 7 * HOUR_US, encode_summary(written))

    assert read == written


def test_what_was_read_cannot_be_changed_since_it_is_kept_for_the_next_reader() -> None:
    body = encode_summary(summary(1))
    read = decode_summary("acme", "fraud", b"b" * 32, 7 * HOUR_US, body)

    with pytest.raises(ValueError, match="read-only"):
        read.counts[0] += 1

    other = decode_summary("acme", "loans", b"c" * 32, 8 * HOUR_US, body)
    assert other.place == ("acme", "loans", b"c" * 32, 8 * HOUR_US, HOUR_US)
    assert other.counts.tolist() == read.counts.tolist()


def test_an_hour_without_anything_comes_back() -> None:
    empty = Summary("acme", "fraud", b"", 0, MINUTE_US, (), np.zeros(COLUMNS_AT, np.int64))

    assert decode_summary("acme", "fraud", b"", 0, encode_summary(empty)) == empty
    assert empty.resolution == "minute"


def test_every_count_has_its_name() -> None:
    counts = np.arange(COLUMNS_AT + 7)
    found = Summary("acme", "fraud", b"", 0, HOUR_US, (4, 3), counts)

    assert found.rows == Count.ROWS
    assert found.outcomes == {outcome: at for at, outcome in enumerate(Outcome, Count.DECIDED)}
    assert (found.positives, found.answered) == (Count.POSITIVE, Count.POSITIVE + Count.NEGATIVE)
    assert found.scored == Count.SCORED
    assert found.confidence_sum == Count.CONFIDENCE_MILLIONTHS / 1e6
    assert found.true_positives == Count.TRUE_POSITIVE
    assert found.false_positives == Count.FALSE_POSITIVE
    assert found.true_negatives == Count.TRUE_NEGATIVE
    assert found.false_negatives == Count.FALSE_NEGATIVE
    assert (found.approved, found.overridden) == (Count.APPROVED, Count.OVERRIDDEN)
    assert found.stage("features").counts[0] == STAGES_AT + HISTOGRAM_BINS
    assert [column.tolist() for column in found.columns] == [
        list(range(COLUMNS_AT, COLUMNS_AT + 4)),
        list(range(COLUMNS_AT + 4, COLUMNS_AT + 7)),
    ]


def test_merging_adds_every_count() -> None:
    one, other = summary(1), summary(2)

    merged = one.merge(other)

    assert merged.counts.tolist() == (one.counts + other.counts).tolist()
    assert merged == other.merge(one)


def test_columns_of_another_profile_cannot_be_added() -> None:
    with pytest.raises(BinMismatch):
        summary(1).merge(summary(1, widths=(5, 2)))


def test_a_later_format_is_refused() -> None:
    body = encode_summary(summary(1))

    for changed in (body[:1] + b"\x02" + body[2:], b"", b"\x93", body[:30]):
        with pytest.raises(NewerSummary):
            decode_summary("acme", "fraud", b"", 0, changed)
