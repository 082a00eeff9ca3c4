"""Events that are let go for their age: a few keys at a time, and never to the harm of others."""

from array import array
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

import kingpost as kp
from kingpost.contracts import batch_of, contract_of
from kingpost.core import caller_place
from kingpost.decisions import ApplicationError, load_application
from kingpost.features import (
    FeatureSet,
    FeaturesForgotten,
    History,
    OnlineFeatures,
    WrongFeature,
    catalogue_of,
)

DAY = 86_400_000_000
NOW = 1_800_000_000_000_000


class Visit(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    page: str
    is_kept: bool = True


visits = kp.stream(Visit, retention="16d")
counts = visits.by("page").over("10d").features(n=kp.count())
FEATURES = FeatureSet(contract_of(Visit), [counts], caller_place())
DIGEST = next(iter(OnlineFeatures([counts]).streams))


def visit(number: int, page: str, days: float) -> Visit:
    event = contract_of(Visit).decode(
        b'{"id":%d,"at":"2027-01-15T08:00:00Z","page":"%s"}' % (number, page.encode())
    )
    assert event.at.us == NOW
    return msgspec.structs.replace(event, at=type(event.at)(NOW + round(days * DAY)))


def online(now_us: int = NOW + 1000 * DAY) -> OnlineFeatures:
    return OnlineFeatures([counts], now_us=lambda: now_us)


def pages(held: OnlineFeatures) -> list[str]:
    return msgspec.msgpack.decode(held.dump(DIGEST)["keys"], type=list[str])


def count(held: OnlineFeatures, page: str, days: float) -> float:
    values = array("d", [0.0])
    held.reader(FEATURES).read(visit(0, page, days), 2**62, values, 0)
    return values[0]


def test_keys_are_looked_through_a_few_with_each_event_and_given_up_when_empty() -> None:
    held = online()
    for number in range(5000):
        held.apply("visit", visit(number, f"p{number}", 0), number)

    numbers: list[int] = []
    for number in range(5000, 5010):
        held.apply("visit", visit(number, "late", 18), number)
        numbers.append(held.events()["visit/0"])

    assert [numbers[0], numbers[-1]] == [5000 - 1024 + 1, 10]
    assert pages(held) == ["late"]
    assert count(held, "late", 18) == 10.0


def test_the_numbers_of_keys_are_used_again() -> None:
    held = online()
    for days in range(0, 200, 2):
        held.apply("visit", visit(days, f"p{days}", days), days)
        held.apply("visit", visit(days + 1, "always", days), days + 1)

    assert len(pages(held)) <= 16 / 2 + 2
    assert count(held, "always", 198) == 5.0
    assert count(held, "p198", 198) == 1.0


def test_a_key_whose_events_were_all_retracted_is_given_up_too() -> None:
    held = online()
    held.apply("visit", visit(1, "regretted", 0), 1)
    held.retract("visit", visit(1, "regretted", 0), 1)

    held.apply("visit", visit(2, "other", 18), 2)
    held.apply("visit", visit(3, "other", 18), 3)

    assert pages(held) == ["other"]


def test_what_was_let_go_can_be_retracted_and_corrected_without_harm() -> None:
    held = online()
    for number, days in enumerate((0, 1, 18, 19)):
        held.apply("visit", visit(number, "p", days), number)

    held.retract("visit", visit(0, "p", 0), 0)
    held.correct("visit", visit(1, "p", 1), 1, visit(1, "p", 2), 10)
    assert count(held, "p", 19) == 2.0
    held.correct("visit", visit(3, "p", 19), 3, visit(3, "p", 1), 11)

    assert held.events()["visit/0"] == 1
    assert count(held, "p", 19) == 1.0


def test_an_event_from_the_future_makes_no_other_one_old() -> None:
    held = online(now_us=NOW + 2 * DAY)
    held.apply("visit", visit(1, "p", 1), 1)
    held.apply("visit", visit(2, "p", 5000), 2)
    held.apply("visit", visit(3, "p", 2), 3)

    assert held.events()["visit/0"] == 3
    assert count(held, "p", 2) == 2.0


def test_an_event_that_is_too_old_lets_go_of_others_as_the_clock_has_moved() -> None:
    now_us = NOW
    held = OnlineFeatures([counts], now_us=lambda: now_us)
    for number, (page, days) in enumerate([("old", -20), ("a", 0), ("ahead", 500)]):
        held.apply("visit", visit(number, page, days), number)
    now_us += 18 * DAY

    held.apply("visit", visit(3, "b", -40), 3)

    assert pages(held) == ["ahead"]


def test_what_is_too_old_stays_out_behind_a_journal_that_has_older_ones() -> None:
    held = online()
    held.apply("visit", visit(1, "a", 0), 1)
    held.apply("visit", visit(2, "late", -17), 2)
    again = online()
    again.restore(DIGEST, held.dump(DIGEST))
    contract, old = contract_of(Visit), visit(3, "late", -17)
    later = History(batch_of(contract, [old]), np.array([3], np.int64))
    again.extend(contract, [later])

    again.apply("visit", visit(4, "late", -17), 4)

    assert pages(again) == ["a"]


def test_a_late_read_is_refused_only_once_something_was_let_go() -> None:
    held = online()
    held.apply("visit", visit(1, "p", 10), 1)
    assert count(held, "p", 0) == 0.0

    held.apply("visit", visit(2, "p", 40), 2)

    with pytest.raises(FeaturesForgotten) as refused:
        count(held, "p", 33)
    assert refused.value.late_s == 7 * 86_400
    assert count(held, "p", 34) == 0.0


def test_what_a_snapshot_lacks_is_refused_after_a_start_from_it() -> None:
    held = online()
    for number, days in enumerate((0, 10, 40)):
        held.apply("visit", visit(number, "p", days), number)

    again = online()
    again.restore(DIGEST, held.dump(DIGEST))

    assert count(again, "p", 40) == 1.0
    with pytest.raises(FeaturesForgotten):
        count(again, "p", 12)


def test_another_retention_never_meets_what_was_held_under_this_one() -> None:
    others = [
        replace(
            counts,
            windowed=replace(
                counts.windowed,
                keyed=replace(counts.windowed.keyed, stream=kp.stream(Visit, retention=retention)),
            ),
        )
        for retention in (None, "17d", "16d")
    ]

    digests = [next(iter(OnlineFeatures([one]).streams)) for one in others]

    assert len({DIGEST, *digests}) == 3
    assert digests[2] == DIGEST


def test_the_catalogue_says_for_how_long_events_are_held() -> None:
    plain = kp.stream(Visit).by("page").over("10d").features(n=kp.count())
    [entry] = catalogue_of(FEATURES)
    [without] = catalogue_of(FeatureSet(contract_of(Visit), [plain], caller_place()))

    assert (entry.retention, without.retention) == ("16d", "")
    assert entry.version == without.version


def test_a_stream_that_says_who_consents_has_no_retention() -> None:
    with pytest.raises(WrongFeature, match="no longer consent"):
        visits.by("page").consent("is_kept", purpose="ads")


def test_an_application_declares_a_stream_with_one_retention(tmp_path: Path) -> None:
    file = tmp_path / "two_retentions.py"
    file.write_text(
        "import kingpost as kp\n"
        "class Hit(kp.Event):\n"
        "    id: kp.Key[str]\n"
        "    at: kp.EventTime\n"
        'one, other = kp.stream(Hit, retention="1d"), kp.stream(Hit)\n'
    )

    with pytest.raises(ApplicationError, match="another retention"):
        load_application(file)
