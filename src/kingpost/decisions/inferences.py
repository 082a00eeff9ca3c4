"""What is on record of models that were asked directly, read from the journal.

One pass over the partition, without a server and without an index: it is a question of an
audit, not of a request.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from kingpost.core import Disk, parse_id
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.errors import RecordNotFound
from kingpost.journal import scan
from kingpost.records import InferenceRecord, decode_inference

__all__ = ["find_inference", "find_inferences"]


def find_inferences(
    where: DataDirectory, tenant: str, *, disk: Disk, model: str = "", limit: int = 100
) -> Sequence[InferenceRecord]:
    """Return the latest inferences of a tenant, the newest first.

    Args:
        model: Only those of a model, by the name it was asked by, such as `fraud.model`.

    Raises:
        JournalCorrupt, JournalNewer: See `scan`.
        NewerRecord: A later version of Kingpost wrote one of them.
    """
    latest: deque[InferenceRecord] = deque(maxlen=limit)
    for one in _inferences(where, tenant, disk):
        if model in ("", one.model):
            latest.append(one)
    return list(reversed(latest))


def find_inference(
    where: DataDirectory, tenant: str, identifier: str, *, disk: Disk
) -> InferenceRecord:
    """Find an inference by the id that came with its answer.

    Raises:
        RecordNotFound: The tenant has none of that id.
        JournalCorrupt, JournalNewer, NewerRecord: As in `find_inferences`.
    """
    wanted = parse_id(identifier)
    for one in _inferences(where, tenant, disk):
        if one.id == wanted:
            return one
    raise RecordNotFound(identifier, str(where.root))


def _inferences(where: DataDirectory, tenant: str, disk: Disk) -> Iterator[InferenceRecord]:
    for commit in scan(where.data, disk=disk):
        for entry in commit.entries:
            if entry.kind == "inference" and entry.tenant == tenant:
                yield decode_inference(entry.body)
