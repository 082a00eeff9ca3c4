"""What channels tell, as others read it: as JSON for a webhook, as a mail for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal
from urllib.parse import quote

import msgspec

from kingpost.contracts import Instant
from kingpost.monitoring.incident import Incident
from kingpost.tasks import Task

__all__ = ["Letter", "TaskEvent", "incident_letter", "mail_of", "task_letter"]

TaskEvent = Literal["reminded", "escalated"]
"""What happened to a task that people are told of."""

_LONGEST_CHAT, _LONGEST_CHAT_LINE = 2500, 400
"""Slack refuses a section of more than 3,000 characters."""

_WORDS: dict[TaskEvent, str] = {"reminded": "still waits", "escalated": "was not answered in time"}


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing to tell.

    Attributes:
        id: Tells it apart from others, in a mail; sent twice, it is the same.
        key: The same for a webhook.
        about: The id of the incident or the task, for logs.
        tenant: Whose it is.
        is_incident: Whether it tells of an incident, and not of a task.
        document: What a webhook sends.
        chat: What Slack takes, and other chat services in its shape.
        subject, lines: What a mail says.
    """

    id: str
    key: str
    about: str
    tenant: str
    is_incident: bool
    document: bytes
    chat: bytes
    subject: str
    lines: tuple[str, ...]


def incident_letter(incident: Incident, public_url: str) -> Letter:
    """Write that an incident was opened; `text` is what chat services show."""
    url = _url(public_url, "incidents", incident.id)
    document = msgspec.json.encode(
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
    about = "About" if incident.kind in ("stale", "cost") else "Decision"
    subject = f"{incident.decision}: {incident.title}"
    since, found = _time(incident.breach_since_us), _time(incident.opened_us)
    return Letter(
        id=incident.id,
        key=f"incident.opened:{incident.id}",
        about=incident.id,
        tenant=incident.tenant,
        is_incident=True,
        document=document,
        chat=_chat(subject, (*incident.facts, f"What to do: {incident.runbook}"), url),
        subject=subject,
        lines=(
            incident.title,
            "",
            *incident.facts,
            "",
            f"{about}: {incident.decision}, tenant {incident.tenant}",
            f"Since: {since}, found {found} (event time)",
            f"What to do: {incident.runbook}",
            *([f"Look at it: {url}"] if url else []),
        ),
    )


def task_letter(task: Task, event: TaskEvent, now_us: int, public_url: str) -> Letter:
    """Write that a task waits: its queue, its title and when it is due, not what it is about."""
    identifier = quote(task.id, safe="")  # in headers as well, which take ASCII alone
    url = _url(public_url, "inbox", identifier)
    due = None if task.due_us is None else _time(task.due_us)
    said = f"{task.queue}: {task.title} {_WORDS[event]}"
    document = msgspec.json.encode(
        {
            "type": f"task.{event}",
            "timestamp": _time(now_us),
            "text": f"{said}{f', due {due}' if due else ''}{f' {url}' if url else ''}",
            "data": {
                "id": task.id,
                "tenant": task.tenant,
                "kind": task.kind,
                "queue": task.queue,
                "title": task.title,
                "due": due,
                "url": url,
            },
        }
    )
    return Letter(
        id=f"{event}-{identifier}",
        key=f"task.{event}:{identifier}",
        about=task.id,
        tenant=task.tenant,
        is_incident=False,
        document=document,
        chat=_chat(said, (f"Queue: {task.queue}", *([f"Due: {due}"] if due else [])), url),
        subject=said,
        lines=(
            said,
            "",
            f"Queue: {task.queue}, tenant {task.tenant}",
            *([f"Due: {due}"] if due else []),
            *([f"Answer it: {url}"] if url else []),
        ),
    )


def mail_of(letter: Letter, *, sender: str, to: tuple[str, ...], now_us: int) -> EmailMessage:
    """Write a mail; sent twice, it is the same mail by its id."""
    mail = EmailMessage()
    mail["Subject"] = _one_line(f"[Kingpost] {letter.subject}")
    mail["From"] = Address(addr_spec=sender)
    mail["To"] = [Address(addr_spec=one) for one in to]
    mail["Date"] = format_datetime(datetime.fromtimestamp(now_us / 1e6, UTC))
    mail["Message-ID"] = f"<{letter.id}@kingpost>"
    mail.set_content("\n".join(letter.lines) + "\n")
    return mail


def _chat(title: str, lines: Sequence[str], url: str | None) -> bytes:
    """Write a message of Slack's incoming webhooks: a text for lists, blocks for the channel.

    Source: https://docs.slack.dev/reference/block-kit/blocks/section-block
    """
    told = "\n".join(map(_chat_text, lines))[:_LONGEST_CHAT]
    blocks: list[dict[str, object]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"*{_chat_text(title)}*\n{told}"}}
    ]
    if url:
        link = {"type": "mrkdwn", "text": f"<{url}|Look at it>"}
        blocks.append({"type": "context", "elements": [link]})
    return msgspec.json.encode({"text": _chat_text(title), "blocks": blocks})


def _chat_text(text: str) -> str:
    """Escape what Slack reads as a link, a mention or a channel."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _one_line(escaped)[:_LONGEST_CHAT_LINE]


def _url(public_url: str, section: str, identifier: str) -> str | None:
    return f"{public_url.rstrip('/')}/{section}/{identifier}" if public_url else None


def _time(time_us: int) -> str:
    return Instant(time_us).isoformat()


def _one_line(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)
