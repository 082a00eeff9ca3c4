"""Where people can be told something: a webhook, a chat service, a mail server.

The rule: what cannot be used is said when the channel is made, not when the first alert
is due; a password never goes over a wire in the clear, but to this very machine.
"""

import smtplib
import ssl
from email.headerregistry import Address
from typing import Protocol

from kingpost.calls import BadWebhookSecret, WebhookFailed, WebhookSender
from kingpost.core import Clock
from kingpost.monitoring.errors import BadAlertSetting
from kingpost.monitoring.letters import Letter, mail_of

__all__ = ["Channel", "ChatChannel", "NotDelivered", "SmtpChannel", "WebhookChannel"]

_TIMEOUT_S = 10.0
_TLS_PORT = 465
_HERE = ("localhost", "127.0.0.1", "::1")


class NotDelivered(Exception):
    """An alert did not get through; the reason holds no secret.

    Attributes:
        may_try_again: Whether it may get through later.
    """

    def __init__(self, reason: str, *, may_try_again: bool) -> None:
        super().__init__(reason)
        self.reason, self.may_try_again = reason, may_try_again


class Channel(Protocol):
    """Tells somebody."""

    @property
    def name(self) -> str:
        """What logs call it."""
        ...

    def send(self, letter: Letter) -> None:
        """Tell it once.

        Raises:
            NotDelivered: It did not get through.
        """
        ...


class WebhookChannel:
    """Posts letters to an address.

    Raises:
        BadAlertSetting: The secret cannot be used.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str, clock: Clock) -> None:
        try:
            self._sender = WebhookSender(url, secret)
        except BadWebhookSecret as error:
            raise BadAlertSetting("alert_webhook_secret", str(error)) from error
        self._clock = clock

    def send(self, letter: Letter) -> None:
        _post(self._sender, letter.key, letter.document, self._clock)


class ChatChannel:
    """Posts letters to a chat service, in the shape of Slack's incoming webhooks; not signed."""

    name = "slack"

    def __init__(self, url: str, clock: Clock) -> None:
        self._sender, self._clock = WebhookSender(url), clock

    def send(self, letter: Letter) -> None:
        _post(self._sender, letter.key, letter.chat, self._clock)


class SmtpChannel:
    """Mails letters.

    Args:
        server: Host and port, as `mail.example:587`; port 465 speaks TLS from the start.

    Raises:
        BadAlertSetting: The server or an address cannot be used.
    """

    name = "mail"

    def __init__(
        self,
        server: str,
        user: str,
        password: str,
        sender: str,
        to: str,
        clock: Clock,
    ) -> None:
        host, _, port = server.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise BadAlertSetting("alert_smtp", "expected a host and a port, as mail.example:587")
        self._host, self._port = host.strip("[]"), int(port)
        self._user, self._password = user, password
        self._sender = _checked("alert_from", sender)
        addresses = [one.strip() for one in to.split(",") if one.strip()]
        if not addresses:
            raise BadAlertSetting("alert_to", "expected addresses, separated by commas")
        self._to = tuple(_checked("alert_to", one) for one in addresses)
        self._clock = clock

    def send(self, letter: Letter) -> None:
        mail = mail_of(letter, sender=self._sender, to=self._to, now_us=self._clock.now_us())
        try:
            with self._connected() as connection:
                connection.send_message(mail)
        except smtplib.SMTPResponseException as error:
            again = 400 <= error.smtp_code < 500
            raise NotDelivered(f"SMTP status {error.smtp_code}", may_try_again=again) from None
        except smtplib.SMTPRecipientsRefused:
            raise NotDelivered("every recipient was refused", may_try_again=False) from None
        except (smtplib.SMTPException, OSError) as error:
            # the message of such an error may hold what was sent
            raise NotDelivered(type(error).__name__, may_try_again=True) from None

    def _connected(self) -> smtplib.SMTP:
        if self._port == _TLS_PORT:
            context = ssl.create_default_context()
            connection = smtplib.SMTP_SSL(
                self._host, self._port, timeout=_TIMEOUT_S, context=context
            )
            is_private = True
        else:
            connection = smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_S)
            is_private = self._host in _HERE
        try:
            connection.ehlo()
            if connection.has_extn("starttls"):
                connection.starttls(context=ssl.create_default_context())
                connection.ehlo()
                is_private = True
            if self._user:
                if not is_private:
                    raise NotDelivered(
                        "the mail server offers no TLS, and a password is not sent without",
                        may_try_again=False,
                    )
                connection.login(self._user, self._password)
        except BaseException:
            connection.close()
            raise
        return connection


def _post(sender: WebhookSender, key: str, body: bytes, clock: Clock) -> None:
    try:
        sender.send(key, body, clock.now_us() // 10**6)
    except WebhookFailed as failure:
        again = sender.may_try_again(failure)
        raise NotDelivered(failure.reason, may_try_again=again) from None


def _checked(setting: str, address: str) -> str:
    try:
        found = Address(addr_spec=address)
    except ValueError as error:
        raise BadAlertSetting(setting, "expected a mail address, as ops@example.com") from error
    if not found.domain:
        raise BadAlertSetting(setting, "expected a mail address, as ops@example.com")
    return address
