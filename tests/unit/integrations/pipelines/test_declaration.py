import pytest

from kingpost.contracts import Event, EventTime, Key
from kingpost.features import stream
from kingpost.integrations import (
    FileSource,
    PipelineRun,
    QuerySource,
    WrongPipeline,
    due_us,
    fresh_until_us,
    is_stale,
    pipeline,
)

DAY_US = 86_400_000_000
MINUTE_US = 60_000_000


class Price(Event):
    id: Key[str]
    at: EventTime
    item: str
    cents: int


PRICES = stream(Price)
DAILY = pipeline(PRICES, FileSource("prices.csv"), every="1d")


def run(started_us: int, problem: str = "") -> PipelineRun:
    return PipelineRun(
        pipeline="price",
        tenant="acme",
        started_us=started_us,
        finished_us=started_us + MINUTE_US,
        problem=problem,
    )


def test_a_pipeline_is_called_after_its_stream_and_stale_after_two_rounds() -> None:
    assert (DAILY.name, DAILY.every_us, DAILY.stale_after_us) == ("price", DAY_US, 2 * DAY_US)


def test_the_first_run_is_due_at_once_and_the_next_one_a_round_after_it_began() -> None:
    assert due_us(DAILY, None, 0) == 0
    assert due_us(DAILY, run(100), 0) == 100 + DAY_US


@pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 2), (3, 4), (12, 1440), (90, 1440)])
def test_after_failures_the_wait_doubles_up_to_the_usual_one(failures: int, minutes: int) -> None:
    latest = run(100, problem="x")

    assert due_us(DAILY, latest, failures) == latest.finished_us + minutes * MINUTE_US


def test_what_brought_nothing_new_for_too_long_is_stale() -> None:
    assert is_stale(DAILY, None, 0)
    assert not is_stale(DAILY, 100, 100 + 2 * DAY_US)
    assert is_stale(DAILY, 100, 101 + 2 * DAY_US)


def test_what_brought_nothing_yet_has_its_time_from_when_it_was_first_heard_of() -> None:
    assert not is_stale(DAILY, None, 100 + 2 * DAY_US, known_since_us=100)
    assert is_stale(DAILY, None, 101 + 2 * DAY_US, known_since_us=100)
    assert fresh_until_us(DAILY, None, 100) == 100 + 2 * DAY_US
    assert fresh_until_us(DAILY, 50, 100) == 50 + 2 * DAY_US


@pytest.mark.parametrize(
    ("every", "stale_after", "overlap"),
    [("0s", None, "0s"), ("daily", None, "0s"), ("1d", "0s", "0s"), ("1d", None, "2d")],
)
def test_a_pipeline_that_cannot_work_is_refused_with_its_line(
    every: str, stale_after: str | None, overlap: str
) -> None:
    with pytest.raises(WrongPipeline, match=r"test_declaration\.py:\d+"):
        pipeline(
            PRICES, FileSource("prices.csv"), every=every, stale_after=stale_after, overlap=overlap
        )


def test_an_incremental_source_may_overlap() -> None:
    source = QuerySource("SELECT 1", "prices", is_incremental=True)

    assert pipeline(PRICES, source, every="1h", overlap="2d").overlap_us == 2 * DAY_US
