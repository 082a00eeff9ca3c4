"""From a query to a statement that selects offsets.

The rule: what a statement looks at is bounded by the page, not by the number of records.
So each filter has an index that is in the order of the answer; where the order spans
several places of it, each of them gives at most a page.
"""

from collections.abc import Sequence

from kingpost.records.record import Outcome
from kingpost.records.review import ReviewVerdict
from kingpost.records.search import RecordQuery
from kingpost.records.tables import CODE_OF, MISTAKEN, OUTCOMES, REVIEWS

__all__ = ["RUNS", "SCOPE", "Value", "alone", "event_range", "filters", "listing", "values_of"]

SCOPE = "(SELECT id FROM record_scopes WHERE tenant = :tenant AND decision = :decision)"
RUNS = "SELECT id FROM record_runs WHERE bundle = :model OR model = :model"
_MOST_RUNS = 100
"""Of a model that more bundles had, the records are picked from all those of the decision."""

Value = str | int | bytes | None


def listing(query: RecordQuery, runs: Sequence[int] = ()) -> tuple[str, dict[str, Value]]:
    """Write the statement that lists offsets from an index, at most `limit` from each place.

    Args:
        runs: Those of the query's model, when it asks for one.
    """
    order = "ORDER BY event_time_us DESC, offset DESC LIMIT :limit"
    if query.principal:
        select = (
            "SELECT offset FROM record_lines lines INDEXED BY record_askers "
            f"WHERE scope = {SCOPE} AND {event_range(query)} AND {filters(query)} {order}"
        )
        return select, values_of(query)
    if query.model and 0 < len(runs) <= _MOST_RUNS:
        select = " UNION ALL ".join(
            "SELECT offset FROM (SELECT offset FROM record_lines lines INDEXED BY record_models "
            f"WHERE scope = {SCOPE} AND run = {run} AND {event_range(query)} "
            f"AND {filters(query)} {order})"
            for run in runs
        )
        return select, values_of(query)
    if query.mistaken or (query.outcome is None and query.review is None):
        index = "record_mistakes" if query.mistaken else "record_times"
        select = (
            f"SELECT offset FROM record_lines lines INDEXED BY {index} "
            f"WHERE scope = {SCOPE} AND {event_range(query)} AND {filters(query)} {order}"
        )
        return select, values_of(query)
    outcomes = OUTCOMES if query.outcome is None else (query.outcome,)
    reviews = REVIEWS if query.review is None else (_state(query),)
    places = [
        (CODE_OF[outcome], REVIEWS.index(review)) for outcome in outcomes for review in reviews
    ]
    select = " UNION ALL ".join(
        "SELECT offset FROM (SELECT offset FROM record_lines lines INDEXED BY record_states "
        f"WHERE scope = {SCOPE} AND outcome = {outcome} AND review = {review} "
        f"AND {event_range(query)} AND {_measures(query)} {order})"
        for outcome, review in places
    )
    return select, values_of(query)


def alone(query: RecordQuery, offset: int) -> tuple[str, dict[str, Value]]:
    """Write the statement that selects one offset, if it is asked for."""
    select = (
        f"SELECT offset FROM record_lines lines WHERE offset = {offset} AND scope = {SCOPE} "
        f"AND {event_range(query)} AND {filters(query)}"
    )
    return select, values_of(query)


def event_range(query: RecordQuery, table: str = "lines") -> str:
    """Write the terms of the time and the page."""
    terms = ["TRUE"]
    if query.since_us is not None:
        terms.append(f"{table}.event_time_us >= :since_us")
    if query.until_us is not None:
        terms.append(f"{table}.event_time_us < :until_us")
    if query.before is not None:
        terms.append(f"({table}.event_time_us, {table}.offset) < (:before_us, :before_offset)")
    return " AND ".join(terms)


def filters(query: RecordQuery) -> str:
    """Write the terms of the other filters, over `lines`."""
    terms = ["TRUE"]
    if query.outcome is not None:
        terms.append(f"lines.outcome = {CODE_OF[query.outcome]}")
    if query.review is not None:
        terms.append(f"lines.review = {REVIEWS.index(_state(query))}")
    if query.model:
        terms.append(f"lines.run IN ({RUNS})")
    if query.principal:
        terms.append(
            "lines.principal = (SELECT id FROM record_principals WHERE principal = :principal)"
        )
    if query.mistaken:
        terms.append(MISTAKEN)
    return " AND ".join((*terms, _measures(query)))


def _measures(query: RecordQuery) -> str:
    """Write the terms of what no index knows, over `lines`."""
    terms = ["TRUE"]
    if query.decided_since_us is not None:
        terms.append("lines.at_us >= :decided_since_us")
    if query.decided_until_us is not None:
        terms.append("lines.at_us < :decided_until_us")
    if query.missed_us is not None:
        failed = CODE_OF[Outcome.FAILED]
        terms.append(f"(lines.outcome = {failed} OR lines.took_us > :missed_us)")
    return " AND ".join(terms)


def _state(query: RecordQuery) -> ReviewVerdict | None:
    return None if query.review == "none" else query.review


def values_of(query: RecordQuery) -> dict[str, Value]:
    """Return what the names in a statement stand for."""
    before_us, before_offset = query.before or (None, None)
    return {
        "tenant": query.tenant,
        "decision": query.decision,
        "text": query.text,
        "model": query.model,
        "principal": query.principal,
        "since_us": query.since_us,
        "until_us": query.until_us,
        "decided_since_us": query.decided_since_us,
        "decided_until_us": query.decided_until_us,
        "missed_us": query.missed_us,
        "before_us": before_us,
        "before_offset": before_offset,
        "limit": query.limit,
    }
