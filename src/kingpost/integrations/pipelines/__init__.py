"""Pipelines: sources outside, read on a schedule into a stream, each row once.

A daily vector, a price list, a customer's limit: rows of a table that others keep. A
pipeline makes events of them, so that a look-up of the latest one is as of the request's
time and position, as every other feature is.
"""

from kingpost.integrations.pipelines.databases import DatabaseSource, PostgresSource
from kingpost.integrations.pipelines.declaration import (
    Pipeline,
    Source,
    WrongPipeline,
    due_us,
    fresh_until_us,
    is_stale,
    pipeline,
)
from kingpost.integrations.pipelines.files import FileSource, QuerySource
from kingpost.integrations.pipelines.refresh import Sink, Taken, intake_sink, refresh
from kingpost.integrations.pipelines.store import PipelineRun, RunStore, RunStoreFailed
from kingpost.integrations.pipelines.store_memory import MemoryRuns
from kingpost.integrations.pipelines.store_sqlite import PIPELINE_MIGRATIONS, SqliteRuns

__all__ = [
    "PIPELINE_MIGRATIONS",
    "DatabaseSource",
    "FileSource",
    "MemoryRuns",
    "Pipeline",
    "PipelineRun",
    "PostgresSource",
    "QuerySource",
    "RunStore",
    "RunStoreFailed",
    "Sink",
    "Source",
    "SqliteRuns",
    "Taken",
    "WrongPipeline",
    "due_us",
    "fresh_until_us",
    "intake_sink",
    "is_stale",
    "pipeline",
    "refresh",
]
