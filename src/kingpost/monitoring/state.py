"""What the watch needs, beside the summaries, to go on where it was."""

from typing import Literal

import msgspec

from kingpost.monitoring.errors import NewerSummary
from kingpost.monitoring.incident_book import OpenIncident
from kingpost.monitoring.slo_watch import SloState
from kingpost.monitoring.status import Monitor

__all__ = ["BundleState", "DecisionState", "MinuteFacts", "decode_state", "encode_state"]


class MinuteFacts(msgspec.Struct, frozen=True, array_like=True):
    """What an incident says of the minute in which it begins.

    Attributes:
        first_us: Where the stream stood at its first row.
        last_at_us: Wall clock of its newest row.
        ids: Its first records.
    """

    minute: int
    first_us: int
    last_at_us: int
    ids: tuple[bytes, ...]


class BundleState(msgspec.Struct, frozen=True, array_like=True):
    """One bundle that still has decisions.

    Attributes:
        facts: The newest minute that was judged, and the one that goes on.
    """

    bundle: bytes
    facts: tuple[MinuteFacts, ...]


class DecisionState(msgspec.Struct, frozen=True, array_like=True):
    """One tenant's decision.

    Attributes:
        stood_us: The greatest event time seen.
        labelled: Bundle to the newest hour of which a label is known.
        going_on: The open incidents by kind.
        slo: The objectives; None in a state made before there were any.
    """

    format: Literal[1]
    stood_us: int
    bundles: tuple[BundleState, ...]
    labelled: dict[bytes, int]
    going_on: dict[Monitor, OpenIncident]
    slo: SloState | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DecisionState)
encode_state = _encoder.encode
"""Write a state as MessagePack."""


def decode_state(body: bytes) -> DecisionState:
    """Read a state.

    Raises:
        NewerSummary: Its format is not known here.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise NewerSummary(str(error)) from error
