"""What an event looks like: declared once, checked on every row and every request."""

from kingpost.contracts.columns import (
    BadRow,
    Column,
    ColumnBatch,
    Texts,
    batch_of,
    check_columns,
    decode_batch,
    events_of,
    join_batches,
)
from kingpost.contracts.contract import Contract, EventKey, Field, Kind, Scalar
from kingpost.contracts.declaration import contract_of
from kingpost.contracts.errors import (
    BadContract,
    ContractViolation,
    IncompatibleContract,
    NaiveTime,
    UnknownZone,
    UnreadableBatch,
)
from kingpost.contracts.event import (
    BadResolution,
    Event,
    EventTime,
    Key,
    KnownTime,
    Length,
    Range,
    Resolution,
)
from kingpost.contracts.evolution import check_evolution
from kingpost.contracts.instant import (
    EPOCH,
    FIRST_US,
    LAST_US,
    Instant,
    microseconds,
    zone_named,
)

__all__ = [
    "EPOCH",
    "FIRST_US",
    "LAST_US",
    "BadContract",
    "BadResolution",
    "BadRow",
    "Column",
    "ColumnBatch",
    "Contract",
    "ContractViolation",
    "Event",
    "EventKey",
    "EventTime",
    "Field",
    "IncompatibleContract",
    "Instant",
    "Key",
    "Kind",
    "KnownTime",
    "Length",
    "NaiveTime",
    "Range",
    "Resolution",
    "Scalar",
    "Texts",
    "UnknownZone",
    "UnreadableBatch",
    "batch_of",
    "check_columns",
    "check_evolution",
    "contract_of",
    "decode_batch",
    "events_of",
    "join_batches",
    "microseconds",
    "zone_named",
]
