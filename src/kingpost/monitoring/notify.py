"""Telling people of incidents and of tasks that wait, without keeping the observer waiting.

The rule: what is told is logged at once, and each channel tells of it in a thread of its
own, so that one that hangs holds up no other. What does not get through is tried again for
some minutes, then dropped with a log line: the incident itself is kept, and the task waits
in the inbox. No log line holds an address or a secret.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kingpost.core import Clock, SystemClock
from kingpost.monitoring.channels import (
    Channel,
    ChatChannel,
    NotDelivered,
    SmtpChannel,
    WebhookChannel,
)
from kingpost.monitoring.incident import Incident
from kingpost.monitoring.incident_log import LogLine
from kingpost.monitoring.letters import Letter, TaskEvent, incident_letter, task_letter
from kingpost.tasks import Task

__all__ = ["AlertSettings", "Notifier"]

_log = logging.getLogger(__name__)
_BACKOFF_S = (1.0, 5.0, 25.0, 125.0)
_MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Where alerts go; an empty text means nowhere. See `Settings` for each."""

    webhook: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)
    slack: str = field(default="", repr=False)
    smtp: str = ""
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    sender: str = ""
    to: str = ""
    public_url: str = ""


class Notifier:
    """Tells every channel of incidents and tasks.

    Args:
        on_told: Told of each incident that a channel has told of, or gave up on: tenant,
            incident and what there is to write down. Called in the channel's thread.
        backoff_s: Waits before each further attempt.

    Raises:
        BadAlertSetting: A setting cannot be used.
    """

    def __init__(
        self,
        settings: AlertSettings,
        *,
        clock: Clock | None = None,
        on_told: Callable[[str, str, LogLine], None] | None = None,
        backoff_s: Sequence[float] = _BACKOFF_S,
    ) -> None:
        self._clock = clock = clock or SystemClock()
        self._public_url, self._on_told = settings.public_url, on_told
        channels: list[Channel] = []
        if settings.webhook:
            channels.append(WebhookChannel(settings.webhook, settings.webhook_secret, clock))
        if settings.slack:
            channels.append(ChatChannel(settings.slack, clock))
        if settings.smtp:
            channels.append(
                SmtpChannel(
                    settings.smtp,
                    settings.smtp_user,
                    settings.smtp_password,
                    settings.sender,
                    settings.to,
                    clock,
                )
            )
        self._couriers = [_Courier(channel, tuple(backoff_s), self._note) for channel in channels]

    def tell(self, incident: Incident) -> None:
        """Log an incident, and queue it for every channel; never waits."""
        _log.warning(
            "incident_opened",
            extra={
                "incident": incident.id,
                "tenant": incident.tenant,
                "decision": incident.decision,
                "kind": incident.kind,
                "title": incident.title,
                "opened_us": incident.opened_us,
            },
        )
        letter = incident_letter(incident, self._public_url)
        self._note(letter, "log")
        self._put(letter)

    def tell_of_task(self, task: Task, event: TaskEvent) -> None:
        """Log that a task waits, and queue that for every channel; never waits."""
        _log.warning(
            f"task_{event}",
            extra={
                "task": task.id,
                "tenant": task.tenant,
                "kind": task.kind,
                "queue": task.queue,
                "due_us": task.due_us,
            },
        )
        self._put(task_letter(task, event, self._clock.now_us(), self._public_url))

    def _note(self, letter: Letter, channel: str, reason: str = "") -> None:
        if self._on_told is not None and letter.is_incident:
            kind = "not_told" if reason else "told"
            line = LogLine(self._clock.now_us(), kind, channel, reason)
            self._on_told(letter.tenant, letter.about, line)

    def _put(self, letter: Letter) -> None:
        for courier in self._couriers:
            courier.put(letter)

    def close(self, timeout_s: float = 5.0) -> None:
        """Let the channels send what is queued, for so long in all, and end.

        By default that is less than a server waits for its observer.
        """
        until_s = time.monotonic() + timeout_s
        for courier in self._couriers:
            courier.finish()
        for courier in self._couriers:
            courier.join(max(0.0, until_s - time.monotonic()))


class _Courier:
    """One channel's thread and queue."""

    def __init__(
        self,
        channel: Channel,
        backoff_s: tuple[float, ...],
        note: Callable[[Letter, str, str], None],
    ) -> None:
        self._channel, self._backoff_s, self._note = channel, backoff_s, note
        self._waiting: deque[Letter] = deque()
        self._changed = threading.Condition()
        self._is_finishing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"alerts-{channel.name}", daemon=True
        )
        self._thread.start()

    def put(self, letter: Letter) -> None:
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._dropped(self._waiting.popleft(), "too many are waiting")
            self._waiting.append(letter)
            self._changed.notify()

    def finish(self) -> None:
        with self._changed:
            self._is_finishing = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        self._stop.set()
        with self._changed:
            while self._waiting:
                self._dropped(self._waiting.popleft(), "the observer ends")

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_finishing:
                        return
                    self._changed.wait()
                letter = self._waiting.popleft()
            try:
                self._deliver(letter)
            except Exception as error:  # noqa: BLE001  a thread's boundary
                self._dropped(letter, type(error).__name__)

    def _deliver(self, letter: Letter) -> None:
        for wait_s in (*self._backoff_s, None):
            try:
                self._channel.send(letter)
            except NotDelivered as failure:
                if wait_s is None or not failure.may_try_again:
                    self._dropped(letter, failure.reason)
                    return
                _log.info(
                    "alert_retried",
                    extra={"channel": self._channel.name, "reason": failure.reason},
                )
                if self._stop.wait(wait_s):
                    self._dropped(letter, failure.reason)
                    return
            else:
                _log.info(
                    "alert_sent", extra={"channel": self._channel.name, "about": letter.about}
                )
                self._note(letter, self._channel.name, "")
                return

    def _dropped(self, letter: Letter, reason: str) -> None:
        _log.error(
            "alert_dropped",
            extra={"channel": self._channel.name, "about": letter.about, "reason": reason},
        )
        self._note(letter, self._channel.name, reason)
