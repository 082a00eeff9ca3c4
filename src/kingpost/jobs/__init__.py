"""Jobs: asynchronous inference by a store, queues that wake, and workers with leases."""

from kingpost.jobs.decider_http import HttpDecider
from kingpost.jobs.errors import (
    JobEnded,
    JobKeyReused,
    JobNotDead,
    JobNotFound,
    JobQueueUnfit,
    JobsFull,
    JobStoreFailed,
    JobStoreNewer,
    JobStoreUnfit,
)
from kingpost.jobs.job import (
    HIGHEST_PRIORITY,
    LOWEST_PRIORITY,
    Decided,
    Job,
    JobBacklog,
    JobPolicy,
    JobQuery,
    JobState,
    NewJob,
    Settlement,
)
from kingpost.jobs.messages import ended_message, webhook_route
from kingpost.jobs.opened import open_job_queue, open_job_store
from kingpost.jobs.queue import JobQueue, LocalQueue
from kingpost.jobs.queue_broker import BrokerLink, BrokerQueue
from kingpost.jobs.queue_kafka import KafkaLink
from kingpost.jobs.queue_nats import NatsLink
from kingpost.jobs.queue_rabbitmq import RabbitMqLink
from kingpost.jobs.store import JobStore, Submitted
from kingpost.jobs.store_postgres import PostgresJobs
from kingpost.jobs.store_sqlite import JOB_MIGRATIONS, MemoryJobs, SqliteJobs
from kingpost.jobs.worker import Decider, JobWorker, settled_as

__all__ = [
    "HIGHEST_PRIORITY",
    "JOB_MIGRATIONS",
    "LOWEST_PRIORITY",
    "BrokerLink",
    "BrokerQueue",
    "Decided",
    "Decider",
    "HttpDecider",
    "Job",
    "JobBacklog",
    "JobEnded",
    "JobKeyReused",
    "JobNotDead",
    "JobNotFound",
    "JobPolicy",
    "JobQuery",
    "JobQueue",
    "JobQueueUnfit",
    "JobState",
    "JobStore",
    "JobStoreFailed",
    "JobStoreNewer",
    "JobStoreUnfit",
    "JobWorker",
    "JobsFull",
    "KafkaLink",
    "LocalQueue",
    "MemoryJobs",
    "NatsLink",
    "NewJob",
    "PostgresJobs",
    "RabbitMqLink",
    "Settlement",
    "SqliteJobs",
    "Submitted",
    "ended_message",
    "open_job_queue",
    "open_job_store",
    "settled_as",
    "webhook_route",
]
