"""What is judged on comes after what is learned from, and days begin at midnight UTC."""

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from kingpost.contracts import NaiveTime, microseconds
from kingpost.core import BadDuration
from kingpost.models import (
    BadSplit,
    BadTrainingSet,
    Folds,
    HistoryTooShort,
    OutOfTimeSplit,
    TrainingSet,
    UnknownEntities,
)

DAY = 86_400_000_000
FIRST = microseconds(datetime(2018, 7, 1, tzinfo=UTC))


def history(days: int, *, cards: bool = True) -> TrainingSet:
    """Two rows a day at noon, of a card that is positive and of one that is not."""
    rows = 2 * days
    times = FIRST + DAY // 2 + np.repeat(np.arange(days), 2) * DAY
    entities = np.tile([1, 2], days) + np.repeat(np.arange(days), 2) * 10
    return TrainingSet(
        ("row",),
        np.arange(rows, dtype=np.float32).reshape(-1, 1),
        np.tile([1.0, 0.0], days),
        times,
        entities if cards else None,
    )


def test_folds_end_with_the_last_day_and_keep_their_gap() -> None:
    folds = Folds(count=2, length="2d", gap="3d").of(history(10))

    days = [tuple((us - FIRST) // DAY for us in fold) for fold in folds]
    assert days == [(3, 6, 8), (5, 8, 10)]
    assert str(folds[0]) == "rows before 2018-07-04 judged on 2018-07-07 to 2018-07-08"


def test_a_history_too_short_for_its_folds_is_refused_with_the_fold() -> None:
    with pytest.raises(HistoryTooShort, match="2018-07-03 .* 0 positive of 0 rows to learn from"):
        Folds(count=1, length="7d", gap="7d").of(history(9))


def test_folds_of_nothing_are_refused() -> None:
    with pytest.raises(BadSplit, match="0 folds"):
        Folds(count=0)
    with pytest.raises(BadSplit):
        Folds(length="0d")
    with pytest.raises(BadDuration):
        Folds(gap="a week")


def test_entities_known_as_positive_are_not_judged() -> None:
    data = history(6)
    assert data.entities is not None
    data.entities[:] = [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]  # each card comes again after 3 days

    rows = UnknownEntities(memory="3d", delay="1d")(data, FIRST + 3 * DAY, FIRST + 6 * DAY)

    # 1, 3 and 5 were found on the days before, and known a day later
    assert data.entities[rows].tolist() == [2, 4, 6]


def test_what_is_not_known_yet_or_no_longer_remembered_is_judged() -> None:
    data = history(4)
    assert data.entities is not None
    data.entities[:] = [1, 2, 1, 2, 1, 2, 1, 2]
    last_day = (FIRST + 3 * DAY, FIRST + 4 * DAY)

    assert UnknownEntities(memory="2d", delay="2d")(data, *last_day).tolist() == [6, 7]
    assert UnknownEntities(memory="3d", delay="2d")(data, *last_day).tolist() == [7]


def test_without_entities_none_can_be_unknown() -> None:
    with pytest.raises(BadTrainingSet, match="entity of each row"):
        UnknownEntities()(history(3, cards=False), FIRST, FIRST + DAY)


def test_a_split_parts_at_moments_whatever_their_zone() -> None:
    data = history(6)
    summer = timezone(timedelta(hours=2))
    split = OutOfTimeSplit(
        train_from=datetime(2018, 7, 2, tzinfo=UTC),
        train_until=datetime(2018, 7, 3, 2, tzinfo=summer),
        test_from=datetime(2018, 7, 5, tzinfo=UTC),
        test_to=datetime(2018, 7, 6, tzinfo=UTC),
    )

    assert split.train(data).x.ravel().tolist() == [2, 3]
    assert split.test(data).x.ravel().tolist() == [8, 9]
    assert str(split) == (
        "learned from 2018-07-02T00:00:00Z until 2018-07-03T00:00:00Z (exclusive), judged from "
        "2018-07-05T00:00:00Z until 2018-07-06T00:00:00Z (exclusive)"
    )


def moment(day: int) -> datetime:
    return datetime(2018, 7, day, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(NaiveTime):
        OutOfTimeSplit(datetime(2018, 7, 3), moment(4), moment(5))


@pytest.mark.parametrize(
    ("days", "says"),
    [
        ((4, 3, 5), "never judge on what was learned"),
        ((3, 4, 4), "test_from is not before test_to"),
        ((3, 4, 5, 3), "train_from is not before train_until"),
    ],
)
def test_periods_out_of_order_are_refused(days: tuple[int, ...], says: str) -> None:
    with pytest.raises(BadSplit, match=says):
        OutOfTimeSplit(*map(moment, days))
