"""Counts as Prometheus reads them."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from kingpost.serving.metrics import Histogram, Metrics
from tests.tiny_app import served

BOUNDS = (0.1, 1.0, 10.0)


@given(values=st.lists(st.floats(0, 20)))
def test_a_bucket_counts_every_value_up_to_its_bound(values: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    for value in values:
        histogram.observe(value)

    buckets, total = histogram.buckets()

    expected = [sum(value <= bound for value in values) for bound in BOUNDS]
    assert [count for _, count in buckets] == [*expected, len(values)]
    assert [bound for bound, _ in buckets] == ["0.1", "1.0", "10.0", "+Inf"]
    assert total == sum(values)


def test_a_value_may_be_counted_for_many() -> None:
    histogram = Histogram(BOUNDS)

    histogram.observe(0.5, 8)

    assert histogram.buckets() == ([("0.1", 0), ("1.0", 8), ("10.0", 8), ("+Inf", 8)], 4.0)


def test_everything_is_there_from_the_first_scrape_on_and_can_be_parsed() -> None:
    metrics = Metrics(served())

    families = {one.name: one for one in text_string_to_metric_families(metrics.render().decode())}

    assert {
        "kingpost_requests",
        "kingpost_request_seconds",
        "kingpost_stage_seconds",
        "kingpost_over_budget",
        "kingpost_bundle_info",
        "kingpost_batch_requests",
        "kingpost_journal_group_seconds",
        "kingpost_events",
        "kingpost_events_held",
        "kingpost_waiting_requests",
        "kingpost_stopped",
        "process_resident_memory_bytes",
    } <= set(families)
    (info,) = families["kingpost_bundle_info"].samples
    assert info.labels == {"decision": "fraud", "bundle": "62" * 32, "model": "6d" * 32}


def test_two_servers_in_one_process_count_apart() -> None:
    one, other = Metrics(served()), Metrics(served())

    one.by_decision["fraud"].count("decided", "ok")

    assert 'outcome="decided"' in one.render().decode()
    assert 'outcome="decided"' not in other.render().decode()
