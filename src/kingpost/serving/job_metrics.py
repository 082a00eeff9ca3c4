"""What the metrics have of jobs."""

from collections.abc import Iterator, Sequence

from prometheus_client.metrics_core import GaugeMetricFamily, HistogramMetricFamily, Metric

from kingpost.jobs import JobBacklog, JobState
from kingpost.serving.metrics import Histogram

__all__ = ["job_metrics"]


def job_metrics(backlog: Sequence[JobBacklog], now_us: int, waited: Histogram) -> Iterator[Metric]:
    """Yield the metrics.

    Args:
        backlog: What waits, runs or is dead, over all tenants.
        waited: Seconds from submitting a job until a worker first took it.
    """
    jobs = GaugeMetricFamily(
        "kingpost_jobs",
        "Jobs that wait, run or are dead, over all tenants",
        labels=("decision", "state"),
    )
    oldest = GaugeMetricFamily(
        "kingpost_job_oldest_seconds",
        "Since when the oldest job waits that is queued",
        labels=("decision",),
    )
    for one in backlog:
        jobs.add_metric((one.decision, one.state.value), one.number)
        if one.state is JobState.QUEUED:
            oldest.add_metric((one.decision,), max(0, now_us - one.oldest_us) / 1e6)
    seconds = HistogramMetricFamily(
        "kingpost_job_wait_seconds", "From submitting a job until a worker first took it"
    )
    buckets, total = waited.buckets()
    seconds.add_metric((), buckets=buckets, sum_value=total)
    yield from (jobs, oldest, seconds)
