"""The topic that a setting names: who reads it, or who writes it."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from kingpost.core import Clock, Disk
from kingpost.integrations.streams.broker import StreamConsumer, StreamProducer
from kingpost.integrations.streams.broker_kafka import KafkaConsumer, KafkaProducer
from kingpost.integrations.streams.broker_local import LocalConsumer, LocalProducer
from kingpost.integrations.streams.broker_nats import NatsConsumer, NatsProducer
from kingpost.integrations.streams.errors import StreamAddressUnfit

__all__ = ["Address", "open_consumer", "open_producer"]

_EXPECTED = (
    "expected nats://host:4222/subject, kafka://host:9092/topic or file:directory, and after ? "
    "consumer=…, key=…, credentials=…"
)
_NAMED = ("consumer", "key", "credentials")


class Address:
    """A topic at a broker, as a setting names it.

    Args:
        setting, name: Where it stands, for errors.

    Attributes:
        key: The field by which messages keep their order; the key of the event when empty.
        consumer: What it is read through.

    Raises:
        StreamAddressUnfit: It names no topic.
    """

    def __init__(self, setting: str, name: str, url: str) -> None:
        try:
            self._parts = urlsplit(url)
            options = dict(parse_qsl(self._parts.query, keep_blank_values=True))
        except ValueError as error:
            raise StreamAddressUnfit(setting, name, _EXPECTED) from error
        self.key = options.pop("key", "")
        self.consumer = options.pop("consumer", f"kingpost-{name}")
        self.credentials = options.pop("credentials", "")
        self.options: Mapping[str, str] = options
        self.topic = unquote(self._parts.path.removeprefix("/"))
        scheme = self._parts.scheme
        is_sound = bool(self._parts.netloc) or scheme == "file"
        if scheme not in ("nats", "tls", "kafka", "file") or not is_sound or not self.topic:
            raise StreamAddressUnfit(setting, name, _EXPECTED)
        if options and scheme != "kafka":
            problem = f"{next(iter(options))!r} is unknown; known are {', '.join(_NAMED)}"
            raise StreamAddressUnfit(setting, name, problem)
        if scheme == "kafka" and "@" in self._parts.netloc:
            problem = "sign in with ?security.protocol=…&sasl.username=…&sasl.password=…"
            raise StreamAddressUnfit(setting, name, problem)
        if any(one in self.consumer for one in "./\\*> \t") or not self.consumer:
            raise StreamAddressUnfit(setting, name, "a consumer is a word without . / * and >")

    @property
    def scheme(self) -> str:
        """What kind of broker it is."""
        return self._parts.scheme

    @property
    def servers(self) -> str:
        """Host and port, without whoever signs in."""
        return self._parts.netloc.rpartition("@")[2]

    @property
    def url(self) -> str:
        """The broker alone."""
        return urlunsplit((self._parts.scheme, self._parts.netloc, "", "", ""))

    @property
    def directory(self) -> Path:
        """Of a topic without a broker."""
        return Path(unquote(self._parts.path))


def open_consumer(address: Address, *, disk: Disk) -> StreamConsumer:
    """Return what reads a topic.

    Raises:
        ExtraMissing: The broker's extra is not installed.
    """
    match address.scheme:
        case "file":
            return LocalConsumer(address.directory, address.consumer, disk=disk)
        case "kafka":
            return KafkaConsumer(
                address.servers, address.topic, address.consumer, options=address.options
            )
        case scheme:
            return NatsConsumer(
                address.url,
                address.topic,
                address.consumer,
                shown=f"{scheme}://{address.servers}",
                credentials=address.credentials,
            )


def open_producer(address: Address, *, disk: Disk, clock: Clock) -> StreamProducer:
    """Return what writes a topic.

    Raises:
        ExtraMissing: The broker's extra is not installed.
    """
    match address.scheme:
        case "file":
            return LocalProducer(address.directory, disk=disk, clock=clock)
        case "kafka":
            return KafkaProducer(address.servers, address.topic, options=address.options)
        case scheme:
            return NatsProducer(
                address.url,
                address.topic,
                shown=f"{scheme}://{address.servers}",
                credentials=address.credentials,
            )
