"""Requests that were answered, a sample of them told to a collector of traces and to a log."""

from kingpost.serving.seen.access_log import ACCESS_LOGGER, AccessLog
from kingpost.serving.seen.request import SeenRequest
from kingpost.serving.seen.sample import Sample, SampleCounts, TakesSeen
from kingpost.serving.seen.spans import RequestSpans
from kingpost.serving.seen.watch import RequestWatch

__all__ = [
    "ACCESS_LOGGER",
    "AccessLog",
    "RequestSpans",
    "RequestWatch",
    "Sample",
    "SampleCounts",
    "SeenRequest",
    "TakesSeen",
]
