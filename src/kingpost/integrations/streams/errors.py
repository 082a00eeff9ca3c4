"""What can go wrong between a stream and its broker."""

from kingpost.core import KingpostError

__all__ = [
    "BrokerAway",
    "BrokerOptionUnfit",
    "ConsumerUnfit",
    "MessageRefused",
    "PersonalStream",
    "StreamAddressUnfit",
    "TopicNotFound",
]


class BrokerAway(KingpostError):
    """A broker that does not answer, or a connection to it that broke.

    Safe to retry: what was not acknowledged comes again, what was not confirmed is published
    again under the same id.
    """

    code = "broker_away"
    retry_safe = True

    def __init__(self, broker: str, problem: str) -> None:
        super().__init__(broker, problem)
        self.broker, self.problem = broker, problem

    def __str__(self) -> str:
        return f"{self.broker}: {self.problem}; it is tried again by itself"


class BrokerOptionUnfit(KingpostError):
    """An option behind the ? of an address that the broker's client does not have, or not so."""

    code = "broker_option_unfit"

    def __init__(self, broker: str, problem: str) -> None:
        super().__init__(broker, problem)
        self.broker, self.problem = broker, problem

    def __str__(self) -> str:
        return f"{self.broker}: {self.problem}; mend what follows the ? of its address"


class TopicNotFound(KingpostError):
    """A subject that no stream of the broker keeps, or a topic that it does not have.

    Safe to retry: somebody may make it.
    """

    code = "topic_not_found"
    retry_safe = True

    def __init__(self, broker: str, topic: str, mend: str) -> None:
        super().__init__(broker, topic, mend)
        self.broker, self.topic, self.mend = broker, topic, mend

    def __str__(self) -> str:
        return f"{self.broker} keeps nothing for {self.topic!r}; {self.mend}"


class ConsumerUnfit(KingpostError):
    """A consumer that was made at the broker in a way that would lose events or their order."""

    code = "consumer_unfit"

    def __init__(self, consumer: str, expected: str, found: str) -> None:
        super().__init__(consumer, expected, found)
        self.consumer, self.expected, self.found = consumer, expected, found

    def __str__(self) -> str:
        return (
            f"consumer {self.consumer!r}: expected {self.expected}, found {self.found}; remove it, "
            "so that it is made anew, or name another one with ?consumer=…"
        )


class MessageRefused(KingpostError):
    """A message that the broker does not take, such as one that is too large for it.

    It becomes a dead letter, and those behind it go on.
    """

    code = "message_refused"

    def __init__(self, broker: str, identifier: str, problem: str) -> None:
        super().__init__(broker, identifier, problem)
        self.broker, self.identifier, self.problem = broker, identifier, problem

    def __str__(self) -> str:
        return (
            f"{self.broker} refuses message {self.identifier}: {self.problem}; raise its limit, "
            f"then kingpost dead-letters replay {self.identifier}"
        )


class StreamAddressUnfit(KingpostError):
    """A setting that names no stream, or no place at a broker."""

    code = "stream_address_unfit"

    def __init__(self, setting: str, name: str, problem: str) -> None:
        super().__init__(setting, name, problem)
        self.setting, self.name, self.problem = setting, name, problem

    def __str__(self) -> str:
        return f"{self.setting}: {self.name}: {self.problem}"


class PersonalStream(KingpostError):
    """A stream with personal content, which is not published: an erasure would not reach it."""

    code = "personal_stream"

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream

    def __str__(self) -> str:
        return (
            f"stream {self.stream!r} has personal content, which erasures could not reach at a "
            "broker; take it out of streams_out, or publish the records of its decision"
        )
