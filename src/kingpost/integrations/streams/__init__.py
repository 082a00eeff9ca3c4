"""Streams: events from topics of a broker into the journal, and the journal into topics.

The journal stays the log that answers are durable in and that is proved; a broker brings
events to it, and takes to others what was decided.
"""

from kingpost.integrations.streams.broker import EVENT, Message, StreamConsumer, StreamProducer
from kingpost.integrations.streams.broker_kafka import KafkaConsumer, KafkaProducer
from kingpost.integrations.streams.broker_local import LocalConsumer, LocalProducer
from kingpost.integrations.streams.broker_nats import NatsConsumer, NatsProducer
from kingpost.integrations.streams.errors import (
    BrokerAway,
    BrokerOptionUnfit,
    ConsumerUnfit,
    MessageRefused,
    PersonalStream,
    StreamAddressUnfit,
    TopicNotFound,
)
from kingpost.integrations.streams.inflow import Inflow, Judged, TakeEvents, judge, take_into
from kingpost.integrations.streams.opened import Address, open_consumer, open_producer
from kingpost.integrations.streams.outflow import (
    JournalSide,
    Outflow,
    Publishes,
    lasting_id,
    published_events,
)
from kingpost.integrations.streams.position_file import PositionFile
from kingpost.integrations.streams.refused import RefusedMessages
from kingpost.integrations.streams.runner import Flow, StreamRunner

__all__ = [
    "EVENT",
    "Address",
    "BrokerAway",
    "BrokerOptionUnfit",
    "ConsumerUnfit",
    "Flow",
    "Inflow",
    "JournalSide",
    "Judged",
    "KafkaConsumer",
    "KafkaProducer",
    "LocalConsumer",
    "LocalProducer",
    "Message",
    "MessageRefused",
    "NatsConsumer",
    "NatsProducer",
    "Outflow",
    "PersonalStream",
    "PositionFile",
    "Publishes",
    "RefusedMessages",
    "StreamAddressUnfit",
    "StreamConsumer",
    "StreamProducer",
    "StreamRunner",
    "TakeEvents",
    "TopicNotFound",
    "judge",
    "lasting_id",
    "open_consumer",
    "open_producer",
    "published_events",
    "take_into",
]
