"""Decision records as messages of a stream, for whoever listens elsewhere."""

from collections.abc import Callable, Iterator, Sequence

from kingpost.integrations import Message, Publishes, lasting_id
from kingpost.journal import Commit
from kingpost.records import decode_record
from kingpost.serving.rendering import render_record

__all__ = ["published_records"]

_KIND = "record"


def published_records(
    decision: str, tenant: str, feature_names: Callable[[str, bytes], Sequence[str] | None]
) -> Publishes:
    """Return what publishes the records of a decision as the API shows them, without the request.

    Args:
        feature_names: Finds the feature names of a bundle.
    """

    def publishes(commit: Commit) -> Iterator[Message]:
        offset = commit.offset
        for entry in commit.entries:
            if (entry.kind, entry.topic, entry.tenant) == (_KIND, decision, tenant):
                record = decode_record(entry.body)
                body = render_record(record, feature_names(decision, record.bundle), None)
                identifier = lasting_id(commit, entry, offset)
                yield Message(body, record.event_key, identifier, _KIND, offset)
            offset += entry.count

    return publishes
