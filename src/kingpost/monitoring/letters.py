"""An incident as others read it: as JSON for a webhook, as a mail for people."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import msgspec

from kingpost.contracts import Instant
from kingpost.monitoring.incident import Incident

__all__ = ["incident_document", "incident_mail"]


def incident_document(incident: Incident, public_url: str) -> bytes:
    """Write what a webhook sends; `text` is what chat services show."""
    url = _url(incident, public_url)
    return msgspec.json.encode(
        {
            "type": "incident.opened",
            "timestamp": _time(incident.opened_us),
            "text": f"{incident.decision}: {incident.title}{f' {url}' if url else ''}",
            "data": {
                "id": incident.id,
                "tenant": incident.tenant,
                "decision": incident.decision,
                "kind": incident.kind,
                "title": incident.title,
                "columns": incident.columns,
                "opened": _time(incident.opened_us),
                "breach_since": _time(incident.breach_since_us),
                "value": incident.value,
                "limit": incident.limit,
                "window": incident.window,
                "rows": incident.rows,
                "bundle": incident.bundle,
                "records": incident.records,
                "facts": incident.facts,
                "runbook": incident.runbook,
                "url": url,
            },
        }
    )


def incident_mail(
    incident: Incident, public_url: str, *, sender: str, to: tuple[str, ...], now_us: int
) -> EmailMessage:
    """Write a mail; sent twice, it is the same mail by its id."""
    mail = EmailMessage()
    mail["Subject"] = _one_line(f"[Kingpost] {incident.decision}: {incident.title}")
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = [Address(addr_spec=one) for one in to]
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_us / 1e6, UTC))
    mail["Message-ID"] = f"<{incident.id}@kingpost>"
    url = _url(incident, public_url)
    lines = [
        incident.title,
        "",
        *incident.facts,
        "",
        f"{'About' if incident.kind == 'stale' else 'Decision'}: {incident.decision}, tenant {incident.tenant}",
        f"Since: {_time(incident.breach_since_us)}, found {_time(incident.opened_us)} (event time)",
        f"What to do: {incident.runbook}",
        *([f"Look at it: {url}"] if url else []),
    ]
    mail.set_content("\n".join(lines) + "\n")
    return mail


def _url(incident: Incident, public_url: str) -> str | None:
    return f"{public_url.rstrip('/')}/incidents/{incident.id}" if public_url else None


def _time(time_us: int) -> str:
    return Instant(time_us).isoformat()


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
