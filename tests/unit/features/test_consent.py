from collections.abc import Callable

import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of, contract_of
from kingpost.core import Place
from kingpost.features import (
    Change,
    Changes,
    ConsentNotShared,
    Erased,
    Erasure,
    FeatureSet,
    Histories,
    MemoryFeatures,
    OnlineFeatures,
    Partitions,
    WrongFeature,
    catalogue_of,
    encode_erasure,
)
from kingpost.journal import Commit, Entry
from kingpost.journal import Place as Spot

HERE = Place(__file__, 1)


class Visit(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    member: int
    room: str
    minutes: int
    note: str | None = None


class Choice(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    member: int
    yes: bool
    maybe: bool | None = None


visits, choices = kp.stream(Visit), kp.stream(Choice)
chosen = choices.by("member").consent("yes", purpose="advice")
stays = visits.by("member").over("1d").features(n=kp.count(), sum=kp.sum("minutes"))
personal = kp.consented(stays, chosen)


@kp.feature
def long(minutes: int) -> bool:
    return minutes > 60


@kp.feature
def share(minutes: int, member_sum_1d: float) -> float:
    return minutes / member_sum_1d


@kp.feature
def double(share: float) -> float:
    return share * 2


def of(*features: object) -> FeatureSet:
    return FeatureSet(contract_of(Visit), features, HERE)  # pyright: ignore[reportArgumentType]


def visit(number: int, member: int = 7, *, minutes: int = 5) -> Visit:
    at = f"2026-01-01T00:00:{number:02d}Z"
    body = f'{{"id":"v{number}","at":"{at}","member":{member},"room":"r","minutes":{minutes}}}'
    return contract_of(Visit).decode(body.encode())


def choice(number: int, member: int = 7, *, yes: bool = True) -> Choice:
    at = f"2026-01-01T00:00:{number:02d}Z"
    body = f'{{"id":"c{number}","at":"{at}","member":{member},"yes":{str(yes).lower()}}}'
    return contract_of(Choice).decode(body.encode())


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: choices.by("member").consent("sure", purpose="a"), "no field 'sure'"),
        (lambda: choices.by("member").consent("maybe", purpose="a"), "'maybe' is optional"),
        (lambda: choices.by("member").consent("id", purpose="a"), "'id' is text"),
        (lambda: choices.by("member").consent("yes", purpose=" a"), "purpose ' a' is no name"),
        (lambda: choices.by("member", "id").consent("yes", purpose="a"), "are several fields"),
        (lambda: kp.consented(personal, chosen), "needs consent to 'advice' already"),
        (
            lambda: kp.consented(visits.by("room").over("1d").features(n=kp.count()), chosen),
            "windows by room hold the events of many",
        ),
    ],
)
def test_what_cannot_be_consented_to_is_refused_where_it_is_declared(
    declare: Callable[[], object], said: str
) -> None:
    with pytest.raises(WrongFeature) as caught:
        declare()

    assert said in str(caught.value)
    assert str(caught.value).startswith(__file__)


def test_the_request_must_name_who_consents() -> None:
    class Anonymous(kp.Event):
        id: kp.Key[str]
        at: kp.EventTime
        minutes: int

    with pytest.raises(WrongFeature, match="consent by 'member'"):
        FeatureSet(contract_of(Anonymous), [kp.consented(long, chosen)], HERE)


def test_consent_is_part_of_the_version_and_of_the_catalogue() -> None:
    plain, needing = of(stays, share, double), of(personal, share, double)

    assert plain.digest != needing.digest
    assert [one.purposes for one in catalogue_of(plain)] == [()] * 4
    assert {one.purposes for one in catalogue_of(needing)} == {("advice",)}
    assert catalogue_of(needing)[0].summary.endswith("by member, with consent to advice")
    versions = zip(catalogue_of(plain), catalogue_of(needing), strict=True)
    assert all(one.version != other.version for one, other in versions)


def test_a_function_needs_the_consent_of_the_field_that_it_takes() -> None:
    features = of(kp.consented(kp.field("minutes"), chosen), long, kp.field("member"))

    assert [one.purposes for one in catalogue_of(features)] == [("advice",), ("advice",), ()]


def test_a_shared_store_refuses_features_that_need_consent() -> None:
    store = MemoryFeatures([personal], Partitions(("a", "b")))

    with pytest.raises(ConsentNotShared, match="advice"):
        store.reader(of(personal))
    store.resume("a")
    store.apply(Changes("a", [Change("visit", visit(1), 0)], 0))  # of no harm: nothing is held


def test_without_consent_nothing_is_held_and_the_key_is_not_known() -> None:
    online = OnlineFeatures([personal])
    online.apply("visit", visit(1), 0)
    assert sum(online.events().values()) == 0

    online.apply("choice", choice(2), 1)
    online.apply("visit", visit(3), 2)
    assert sum(online.events().values()) == 2
    online.apply("choice", choice(4, yes=False), 3)

    held = {streams: bytes(online.dump(one)["keys"]) for one, streams in online.streams.items()}
    assert held[("visit", "choice")] == b"\x90", "no key at all"
    assert held[("choice",)] == b"\x91\x07"


def test_a_key_that_comes_after_one_was_dropped_gets_its_own_place() -> None:
    online, again = OnlineFeatures([personal]), OnlineFeatures([personal])
    for member in (7, 8, 9):
        online.apply("choice", choice(member, member), member)
        online.apply("visit", visit(member, member, minutes=member), 10 + member)
    online.forget("member", "8")
    online.apply("choice", choice(20, 10), 20)
    online.apply("visit", visit(21, 10, minutes=10), 21)
    for digest in online.streams:
        again.restore(digest, online.dump(digest))

    features = of(personal)
    for state in (online, again):
        reader, values = state.reader(features), np.empty(2)
        for member, expected in ((7, [1, 7]), (9, [1, 9]), (10, [1, 10])):
            reader.read(visit(30, member), 30, values, 0)  # pyright: ignore[reportArgumentType]  an array of doubles
            assert values.tolist() == expected
        refused = reader.read(visit(30, 8), 30, values, 0)  # pyright: ignore[reportArgumentType]
        assert refused.no_consent == ("advice",)


def test_an_erasure_concerns_events_before_it_by_the_field_that_names_the_entity() -> None:
    events = batch_of(contract_of(Visit), [visit(1, 7), visit(2, 8), visit(3, 7)])
    erasure = Erasure(3, "member", "7", 0, "k", "")
    after = Entry("event", "acme", "visit", b'{"id":"v9","at":"2026-01-01T00:00:09Z","member":7,'
                  b'"room":"r","minutes":1}')  # fmt: skip
    histories = Histories([contract_of(Visit)])
    entries = [
        Entry("events", "acme", "visit", events.encode(), 3),
        encode_erasure("acme", erasure),
        after,
        encode_erasure("acme", Erasure(5, "member", "07", 0, "k", "")),
        encode_erasure("other", Erasure(6, "member", "8", 0, "k", "")),
    ]
    histories.add(Commit(0, tuple(entries), 0, Spot(0, 0)))

    history = histories.of("acme")["visit"]

    assert history.kept_for(["member"]).events.values("id") == ["v2", "v9"]
    assert history.kept_for(["room"]).events.values("id") == ["v1", "v2", "v3", "v9"]
    erased = Erased(histories.erasures("acme"))
    assert erased.find(visit(1, 7), 0) == erasure
    assert erased.find(visit(1, 7), 4) is None
    assert erased.find(visit(1, 8), 0) is None
