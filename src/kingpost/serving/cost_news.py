"""What the journal says of costs: of records and shadows, of tokens, of reviews.

The rule: every byte of a commit with records belongs to these, so what a decision takes in the
journal is what its segments hold of it.
"""

from collections.abc import Iterator, Sequence

from kingpost.core import Disk, parse_id
from kingpost.decisions import DataDirectory, RecordNotFound
from kingpost.journal import Commit, Entry, scan
from kingpost.monitoring import OUTCOMES, CostNews, GivenReview, RecordCost, TokenCost
from kingpost.records import DecisionRecord, Review, Role, decode_record, decode_usage

__all__ = ["costs_of_record", "given_review", "record_costs", "token_costs"]

_CODE_OF = {outcome: code for code, outcome in enumerate(OUTCOMES)}


def record_costs(
    made: Sequence[tuple[int, DecisionRecord]], size_bytes: int
) -> Iterator[RecordCost]:
    """Say what records took.

    Args:
        made: Those of one commit with their offsets. They share its bytes, the first has the
            rest.
    """
    each, rest = divmod(size_bytes, len(made))
    for offset, record in made:
        stages = record.stages
        yield RecordCost(
            offset,
            record.tenant,
            record.decision,
            record.at_us,
            _CODE_OF[record.outcome],
            record.role is Role.SHADOW,
            stages.features_us + stages.model_us + stages.gate_us,
            each + rest,
        )
        rest = 0


def token_costs(entry: Entry, offset: int) -> Iterator[TokenCost]:
    """Say which tokens a record used.

    Raises:
        NewerRecord: A later version of Kingpost wrote it.
    """
    usage = decode_usage(entry.body)
    for one in usage.tokens:
        yield TokenCost(
            offset,
            entry.tenant,
            entry.topic,
            usage.at_us,
            one.model,
            one.input_tokens,
            one.output_tokens,
        )


def given_review(tenant: str, offset: int, review: Review) -> GivenReview:
    """Say who judged a record."""
    return GivenReview(
        offset,
        tenant,
        review.decision,
        review.at_us,
        review.record,
        review.by,
        review.verdict,
        review.positive,
        bool(review.task),
    )


def costs_of_record(
    identifier: str, where: DataDirectory, *, disk: Disk, tenant: str | None = None
) -> CostNews:
    """Look through the journal for what one record took, with its shadow and its tokens.

    Raises:
        RecordNotFound: There is no such record, or it is another tenant's.
        JournalCorrupt, JournalNewer, NewerRecord: See `scan`.
    """
    wanted, found = parse_id(identifier), CostNews()
    if wanted is not None:
        for commit in scan(where.data, disk=disk):
            if any(wanted in entry.body for entry in commit.entries):
                _take(commit, wanted, found)
    if not found.records or tenant not in (None, found.records[0].tenant):
        raise RecordNotFound(identifier, str(where.root))
    return found


def _take(commit: Commit, wanted: bytes, into: CostNews) -> None:
    made: list[tuple[int, DecisionRecord]] = []
    offset = commit.offset
    for entry in commit.entries:
        if entry.kind in ("record", "shadow"):
            made.append((offset, decode_record(entry.body)))
        elif entry.kind == "usage" and decode_usage(entry.body).record == wanted:
            into.tokens += token_costs(entry, offset)
        offset += entry.count
    if made:
        costs = record_costs(made, commit.size_bytes)
        into.records += [
            cost for (_, record), cost in zip(made, costs, strict=True) if record.id == wanted
        ]
