"""What a webhook is told of a job that ended."""

from datetime import UTC, datetime

import msgspec

from kingpost.calls import OutboxMessage
from kingpost.jobs.job import Job

__all__ = ["ended_message", "webhook_route"]


def webhook_route(name: str) -> str:
    """Return the route of the outbox by which a webhook is sent."""
    return f"jobs:{name}"


def ended_message(job: Job) -> OutboxMessage:
    """Return the message; its id is the same however often it is sent.

    Source: https://github.com/standard-webhooks/standard-webhooks, payload structure.
    """
    data: dict[str, object] = {
        "id": job.id,
        "decision": job.decision,
        "state": job.state.value,
        "record": job.record or None,
        "answer": msgspec.Raw(job.answer) if job.answer else None,
        "reason": job.reason,
    }
    at = datetime.fromtimestamp(job.ended_us / 1e6, UTC).isoformat().replace("+00:00", "Z")
    payload = {"type": f"job.{job.state}", "timestamp": at, "data": data}
    return OutboxMessage(
        id=f"{job.id}.{job.version}",
        route=webhook_route(job.webhook),
        payload=msgspec.json.encode(payload),
        tenant=job.tenant,
    )
