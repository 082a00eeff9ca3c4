"""What is counted of outgoing calls, and the counters for Prometheus.

The rule: labels have few values: the service as it is declared, and stable codes.
"""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kingpost.calls.breaker import BreakerState

__all__ = ["CallMetrics", "NoCallMetrics", "PrometheusCallMetrics"]

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STATES: tuple[BreakerState, ...] = ("closed", "half_open", "open")


class CallMetrics(Protocol):
    """Told of every call; may be told by several threads."""

    def called(self, service: str, outcome: str, latency_s: float) -> None:
        """Count a call: `success`, `refused` (3xx, 4xx) or the code of its error."""
        ...

    def retried(self, service: str, reason: str) -> None:
        """Count a further attempt."""
        ...

    def breaker_changed(self, service: str, state: BreakerState) -> None:
        """Note the breaker's state."""
        ...

    def token_refreshed(self, service: str, outcome: str) -> None:
        """Count a request for a token: `success` or `failure`."""
        ...

    def rate_limit_waited(self, service: str, wait_s: float) -> None:
        """Count a wait for the service's limit."""
        ...


class NoCallMetrics:
    """Counts nothing."""

    def called(self, service: str, outcome: str, latency_s: float) -> None: ...

    def retried(self, service: str, reason: str) -> None: ...

    def breaker_changed(self, service: str, state: BreakerState) -> None: ...

    def token_refreshed(self, service: str, outcome: str) -> None: ...

    def rate_limit_waited(self, service: str, wait_s: float) -> None: ...


class PrometheusCallMetrics:
    """Counts in a registry of Prometheus; one object serves all clients of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kingpost_calls_{name}", text, ["service", *labels], registry=registry)

        self._calls = counter("total", "Calls to other services.", "outcome")
        self._retries = counter("retries_total", "Further attempts of calls.", "reason")
        self._refreshes = counter("token_refreshes_total", "Requests for a token.", "outcome")
        self._waits = counter("rate_limit_waits_total", "Waits for a service's limit.")
        self._waited = counter("rate_limit_wait_seconds_total", "Time of these waits.")
        self._latency = Histogram(
            "kingpost_calls_latency_seconds",
            "From the start of a call to its end, with all waits and attempts.",
            ["service"],
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._breaker = Gauge(
            "kingpost_calls_breaker_state",
            "State of the breaker: 0 closed, 1 half open, 2 open.",
            ["service"],
            registry=registry,
        )

    def called(self, service: str, outcome: str, latency_s: float) -> None:
        self._calls.labels(service, outcome).inc()
        self._latency.labels(service).observe(latency_s)

    def retried(self, service: str, reason: str) -> None:
        self._retries.labels(service, reason).inc()

    def breaker_changed(self, service: str, state: BreakerState) -> None:
        self._breaker.labels(service).set(_STATES.index(state))

    def token_refreshed(self, service: str, outcome: str) -> None:
        self._refreshes.labels(service, outcome).inc()

    def rate_limit_waited(self, service: str, wait_s: float) -> None:
        self._waits.labels(service).inc()
        self._waited.labels(service).inc(wait_s)
