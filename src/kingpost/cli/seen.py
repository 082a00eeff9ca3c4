"""Who looks on while a server answers: a collector of traces, and the access log."""

import logging
import sys

from kingpost.cli.logs import JsonFormatter
from kingpost.core import Clock, Settings
from kingpost.serving import ACCESS_LOGGER, AccessLog, RequestSpans, RequestWatch, Sample

__all__ = ["open_watch"]


def open_watch(settings: Settings, clock: Clock) -> RequestWatch | None:
    """Start what is told of requests; None where nobody is.

    Raises:
        ExtraMissing: Traces are asked for, and the extra `otel` is not installed.
    """
    samples: list[Sample] = []
    if settings.trace_sample:
        spans = RequestSpans.to(settings.otlp_endpoint)
        samples.append(Sample("traces", settings.trace_sample, spans, follows_caller=True))
    if settings.access_log:
        _write_lines()
        samples.append(Sample("access_log", settings.access_log, AccessLog()))
    return RequestWatch(samples, clock) if samples else None


def _write_lines() -> None:
    """Write each line of the access log as JSON, whatever form other lines have."""
    logger = logging.getLogger(ACCESS_LOGGER)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
