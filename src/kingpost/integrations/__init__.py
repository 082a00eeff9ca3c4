"""What comes from elsewhere: events into the journal, each once, and Feast's declarations."""

from kingpost.integrations.errors import (
    SchemaMismatch,
    TooManyBadRows,
    UnknownStream,
    UnreadableQuarantine,
    UnreadableSource,
)
from kingpost.integrations.feast import (
    FeastImport,
    FeastRepositoryTooLarge,
    FeastState,
    NotAFeastRepository,
    import_feast,
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
    "FeastImport",
    "FeastRepositoryTooLarge",
    "FeastState",
    "IngestReport",
    "Intake",
    "KeyIndex",
    "NotAFeastRepository",
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
    "import_feast",
    "ingest_chunks",
    "ingest_file",
    "quarantine_entry",
    "quarantined",
    "read_csv",
    "read_file",
    "read_json_lines",
    "read_parquet",
    "read_query",
    "refused_line",
    "refused_row",
    "replay_quarantine",
]
