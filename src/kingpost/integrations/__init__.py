"""Events from files, tables and queries into the journal: each once, bad rows kept aside."""

from kingpost.integrations.errors import (
    SchemaMismatch,
    TooManyBadRows,
    UnknownStream,
    UnreadableQuarantine,
    UnreadableSource,
)
from kingpost.integrations.files import read_csv, read_json_lines
from kingpost.integrations.ingest import (
    IngestReport,
    Progress,
    ReplayReport,
    ingest_chunks,
    ingest_file,
    read_file,
    replay_quarantine,
)
from kingpost.integrations.intake import Accepted, Intake, KeyIndex
from kingpost.integrations.postgres import read_postgres
from kingpost.integrations.quarantine import (
    QuarantinedRow,
    RefusedRow,
    quarantine_entry,
    quarantined,
    refused_line,
    refused_row,
)
from kingpost.integrations.reading import Chunk, Reading
from kingpost.integrations.tables import read_parquet, read_query

__all__ = [
    "Accepted",
    "Chunk",
    "IngestReport",
    "Intake",
    "KeyIndex",
    "Progress",
    "QuarantinedRow",
    "Reading",
    "RefusedRow",
    "ReplayReport",
    "SchemaMismatch",
    "TooManyBadRows",
    "UnknownStream",
    "UnreadableQuarantine",
    "UnreadableSource",
    "ingest_chunks",
    "ingest_file",
    "quarantine_entry",
    "quarantined",
    "read_csv",
    "read_file",
    "read_json_lines",
    "read_parquet",
    "read_postgres",
    "read_query",
    "refused_line",
    "refused_row",
    "replay_quarantine",
]
