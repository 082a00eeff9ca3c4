"""Errors survive pickling and say what to do."""

import pickle

import pytest

from kingpost.core import KingpostError
from kingpost.features import (
    BadPartitions,
    FeaturesForgotten,
    Partitions,
    StoreBehind,
    StoreFull,
    StoreNotResumed,
    StoreUnfit,
    StoreUnreachable,
    UnlistedPartition,
)

ERRORS = [
    (BadPartitions(("a", "a")), "bad_partitions", "list each partition once"),
    (UnlistedPartition("c", ("a", "b")), "unlisted_partition", "at the end of the list"),
    (StoreUnreachable("redis://h:1", "refused"), "online_store_unreachable", "try again"),
    (StoreFull("redis://h:1"), "online_store_full", "raise `maxmemory`"),
    (StoreBehind("a", -1, 7), "online_store_behind", "`catch_up`"),
    (StoreNotResumed("a"), "online_store_not_resumed", "call `catch_up`"),
    (StoreUnfit("redis://h:1", "is old", "renew it"), "online_store_unfit", "renew it"),
    (FeaturesForgotten("payment", "shop", 9.0), "features_forgotten", "from the journal"),
]


@pytest.mark.parametrize(("error", "code", "mend"), ERRORS)
def test_an_error_survives_pickling_and_names_the_mend(
    error: KingpostError, code: str, mend: str
) -> None:
    again: KingpostError = pickle.loads(pickle.dumps(error))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.code == code
    assert mend in str(again)


@pytest.mark.parametrize("names", [(), ("a", "a"), tuple(map(str, range(2**14 + 1)))])
def test_a_list_that_cannot_number_events_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(BadPartitions):
        Partitions(names)
