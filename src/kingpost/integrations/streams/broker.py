"""What a stream needs of a broker, whichever it is: messages in order, and acknowledgements.

The rule: what was read and not acknowledged comes again, in the same order, to whoever opens
the consumer next; what was published is kept when `publish` returns. A message may come twice,
under one id.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["EVENT", "Message", "StreamConsumer", "StreamProducer"]

EVENT = "event"


class Message(NamedTuple):
    """One message.

    Attributes:
        key: Messages of one key stay in their order.
        id: Unlike that of every other message; empty where the publisher gave none.
        kind: `event`, `correction`, `retraction` or `record`.
        position: Where it lies: in the topic when it was read, in the journal when it is to be
            published.
    """

    body: bytes
    key: str = ""
    id: str = ""
    kind: str = EVENT
    position: int = 0


class StreamConsumer(Protocol):
    """Reads a topic; for one thread, and one process at a time.

    Attributes:
        topic: What it is called, without any password.
    """

    topic: str

    def open(self) -> None:
        """Connect.

        Raises:
            BrokerAway: The broker does not answer.
            TopicNotFound: It has no such topic.
            ConsumerUnfit: The consumer there would lose events or their order.
        """
        ...

    def read(self, most: int, wait_s: float) -> Sequence[Message]:
        """Return the next messages in order, or none when none came in time.

        Raises:
            BrokerAway: The connection broke, or somebody else reads through this consumer.
        """
        ...

    def acknowledge(self) -> None:
        """Let go of everything that was read.

        Raises:
            BrokerAway: The connection broke; what was read may come again.
        """
        ...

    def waiting(self) -> int:
        """Return how many messages are not acknowledged yet.

        Raises:
            BrokerAway: The connection broke.
        """
        ...

    def close(self) -> None:
        """Disconnect; it may be opened again."""
        ...


class StreamProducer(Protocol):
    """Writes to a topic; for one thread.

    Attributes:
        topic: What it is called, without any password.
    """

    topic: str

    def open(self) -> None:
        """Connect.

        Raises:
            BrokerAway: The broker does not answer.
            TopicNotFound: It has no such topic.
        """
        ...

    def publish(self, messages: Sequence[Message]) -> None:
        """Publish messages in order, and return when the broker keeps them.

        Raises:
            BrokerAway: Some may not have come through: publish all of them again.
            MessageRefused: The broker does not take one of them; which, is sure of one alone.
        """
        ...

    def check(self) -> None:
        """Keep the connection alive while there is nothing to publish.

        Raises:
            BrokerAway: It broke.
        """
        ...

    def close(self) -> None:
        """Disconnect; it may be opened again."""
        ...
