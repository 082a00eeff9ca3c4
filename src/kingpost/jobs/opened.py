"""The store and the queue that settings name."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from kingpost.jobs.errors import JobQueueUnfit, JobStoreUnfit
from kingpost.jobs.queue import JobQueue, LocalQueue
from kingpost.jobs.queue_broker import BrokerLink, BrokerQueue
from kingpost.jobs.queue_kafka import KafkaLink
from kingpost.jobs.queue_nats import NatsLink
from kingpost.jobs.queue_rabbitmq import RabbitMqLink
from kingpost.jobs.store import JobStore
from kingpost.jobs.store_postgres import PostgresJobs
from kingpost.jobs.store_sqlite import SqliteJobs

__all__ = ["open_job_queue", "open_job_store"]

_NAME = "kingpost-jobs"
_EXPECTED = "expected nats://…, amqp://…, amqps://… or kafka://host:9092, or nothing"


def open_job_store(setting: str, path: Path) -> JobStore:
    """Open the store of a setting.

    Args:
        setting: `postgresql://…`, or empty for a file.
        path: The file.

    Raises:
        JobStoreUnfit: The setting names no store.
        ExtraMissing, JobStoreFailed, JobStoreNewer: See `PostgresJobs`.
        DatabaseUnreadable, DatabaseNewer: See `SqliteJobs`.
    """
    if not setting:
        return SqliteJobs(path)
    if urlsplit(setting).scheme not in ("postgresql", "postgres"):
        raise JobStoreUnfit
    return PostgresJobs(setting)


def open_job_queue(setting: str) -> JobQueue:
    """Open the queue of a setting; a broker that does not answer is asked again.

    Args:
        setting: The broker's URL, with `?name=…` where several installations share it; empty
            where workers look into the store.

    Raises:
        JobQueueUnfit: The setting names no queue.
        ExtraMissing: The broker's extra is not installed.
    """
    if not setting:
        return LocalQueue()
    parts = urlsplit(setting)
    name = parse_qs(parts.query).get("name", [_NAME])[0]
    url = urlunsplit(parts._replace(query=""))
    link: BrokerLink
    match parts.scheme:
        case "nats" | "tls":
            link = NatsLink(url, name)
        case "amqp" | "amqps":
            link = RabbitMqLink(url, name)
        case "kafka":
            link = KafkaLink(parts.netloc, name)
        case _:
            raise JobQueueUnfit(_EXPECTED)
    return BrokerQueue(link, name=parts.scheme)
