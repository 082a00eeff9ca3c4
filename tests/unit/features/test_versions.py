"""Which version of an event counts, whatever comes in whichever order."""

from kingpost.features import RETRACTED, WITHHELD, Arrival, Versions


def test_the_first_arrival_counts_and_a_later_one_is_a_duplicate() -> None:
    versions = Versions()

    assert versions.arrive("a", 3) is Arrival.COUNTS
    assert versions.arrive("a", 7) is Arrival.DUPLICATE
    assert versions.find("a") == 3
    assert len(versions) == 1


def test_an_event_that_was_retracted_stays_a_duplicate() -> None:
    versions = Versions()
    versions.arrive("a", 3)

    assert versions.retract("a") == 3
    assert versions.retract("a") == RETRACTED
    assert versions.arrive("a", 9) is Arrival.DUPLICATE
    assert versions.find("a") == RETRACTED
    assert len(versions) == 0


def test_a_retraction_before_its_event_is_held_and_the_event_never_counts() -> None:
    versions = Versions()

    assert versions.retract("a") is None
    assert versions.find("a") == WITHHELD
    assert versions.arrive("a", 5) is Arrival.WITHHELD
    assert versions.arrive("a", 6) is Arrival.DUPLICATE
    assert versions.find("a") == RETRACTED
    assert len(versions) == 0


def test_a_correction_takes_the_place_of_what_is_held_but_not_of_what_was_retracted() -> None:
    versions = Versions()
    versions.arrive("a", 3)

    assert versions.correct("a", 8) == 3
    assert versions.find("a") == 8
    versions.retract("a")
    assert versions.correct("a", 11) == RETRACTED
    assert versions.find("a") == RETRACTED


def test_events_loaded_at_once_are_as_those_that_came_one_by_one() -> None:
    one_by_one, at_once = Versions(), Versions()
    for position, key in enumerate("abc"):
        one_by_one.arrive(key, position)
    one_by_one.retract("b")
    one_by_one.retract("z")
    one_by_one.correct("c", 9)

    at_once.load("abcc", [0, 1, 2, 9], {"b": RETRACTED, "z": WITHHELD, "c": 9})

    assert at_once.items() == one_by_one.items()
    assert len(at_once) == len(one_by_one) == 2


def test_on_a_table_it_finds_the_same_and_holds_only_what_the_table_lacks() -> None:
    versions = Versions()
    for at, key in enumerate("abcde"):
        versions.arrive(key, at)
    versions.retract("b")
    versions.retract("not yet")
    table = versions.table("text")
    versions.correct("c", 7)
    versions.arrive("f", 8)
    versions.retract("d")
    found = {key: versions.find(key) for key in ("a", "b", "c", "d", "e", "f", "g", "not yet")}
    counted = len(versions)

    versions.rebase(table, 7)
    while versions.trim(2):
        pass

    assert {key: versions.find(key) for key in found} == found
    assert len(versions) == counted == 4
    assert set(versions.items()) == {"c", "d", "f"}
    assert versions.arrive("a", 9) is Arrival.DUPLICATE
    assert versions.arrive("not yet", 10) is Arrival.WITHHELD
    assert versions.arrive("g", 11) is Arrival.COUNTS
    assert len(versions) == counted + 1
