"""Whole records and requests, read beside the engine that writes them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from kingpost.console import KeptRecords
from kingpost.records import RecordQuery
from tests import claims_app
from tests.claims_app import House, body, decide, erase
from tests.review_house import DATA, ReviewHouse, run_review
from tests.tiny_app import payment


def test_a_record_and_its_request_are_read_by_where_the_search_says_they_lie() -> None:
    async def scene(house: ReviewHouse) -> None:
        for number in range(20):
            await house.decided(f"p{number}", 600)
        lines = house.records.find(RecordQuery(tenant="acme", decision="fraud"))
        kept = KeptRecords(DATA, disk=house.disk)

        def read() -> list[tuple[str, bytes | None]]:
            found = [kept.record(line) for line in lines]
            return [(one.event_key, kept.request(one)) for one in found if one is not None]

        expected = [(line.event_key, payment(line.event_key, 600)) for line in lines]
        with ThreadPoolExecutor(4) as threads:
            assert all(got.result() == expected for got in [threads.submit(read) for _ in range(4)])
        kept.close()

    run_review(scene)


def test_nothing_is_read_of_another_tenant_or_from_another_place() -> None:
    async def scene(house: ReviewHouse) -> None:
        await house.decided("p1", 600)
        await house.decided("p2", 600)
        second, first = house.records.find(RecordQuery(tenant="acme", decision="fraud"))
        kept = KeptRecords(DATA, disk=house.disk)

        assert kept.record(first) is not None
        assert kept.record(replace(first, tenant="other")) is None
        assert kept.record(replace(first, offset=second.offset)) is None
        assert kept.record(replace(first, offset=first.offset - 1)) is None
        assert kept.record(replace(first, offset=10_000)) is None

    run_review(scene)


def test_personal_content_of_a_request_is_opened_until_it_is_erased() -> None:
    house = House()
    with house.engine() as engine:
        [reply] = decide(engine, body("1"))
        assert reply.record is not None
        kept = KeptRecords(claims_app.DATA, disk=house.disk, streams=claims_app.APPLICATION.streams)
        before = kept.request(reply.record)
        erase(engine, "C1")
        after = kept.request(reply.record)
        kept.close()

    assert before is not None
    assert after is not None
    assert b'"name":"Ann Winter"' in before
    assert b'"name":"[erased]"' in after


def test_what_is_written_later_is_found_too() -> None:
    async def scene(house: ReviewHouse) -> None:
        kept = KeptRecords(DATA, disk=house.disk)
        for number in range(5):
            await house.decided(f"p{number}", 600)
            [line] = house.records.find(RecordQuery(tenant="acme", decision="fraud", limit=1))
            record = await asyncio.to_thread(kept.record, line)
            assert record is not None
            assert record.id == line.id

    run_review(scene)
