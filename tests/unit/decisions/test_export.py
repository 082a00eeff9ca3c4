"""An export: what is selected, what stands in its files, and that they are what the manifest says."""

import hashlib
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import msgspec
import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.contracts import contract_of
from kingpost.core import SystemDisk
from kingpost.decisions import (
    Ask,
    DataDirectory,
    Engine,
    Exported,
    ExportExists,
    RecordSelection,
    ServedDecision,
    SubjectDigests,
    export_records,
    move_to_key_store,
    open_subjects,
)
from kingpost.journal import Entry
from kingpost.proofs import Prover
from kingpost.records import Review, encode_review
from kingpost.subjects import KeysNotMoved, MasterKeyUnusable, PostgresSubjectKeys
from tests.claims_app import APPLICATION, Claim, body, durable, erase, judged
from tests.postgres import own_schema
from tests.tiny_app import BUNDLE, MODEL, ByAmount, FakeClock

START_US = FakeClock().us


@pytest.fixture
def where(tmp_path: Path) -> DataDirectory:
    """Decide for two customers, a minute apart; review the first, and erase it."""
    where, clock = DataDirectory(tmp_path / "data"), FakeClock()
    engine = Engine.open(
        where.data,
        APPLICATION,
        {"judged": ServedDecision(judged, BUNDLE, MODEL, ByAmount(), 0.5)},
        disk=SystemDisk(),
        clock=clock,
        subjects=open_subjects(where, APPLICATION.streams.values()),
    )
    for number, customer in enumerate(("C1", "C2", "C1")):
        asked = body(str(number), customer=customer)
        ask = Ask("judged", "acme", "key", contract_of(Claim).decode(asked), asked, "0" * 32, None,
                  None, 0)  # fmt: skip
        [reply] = durable(lambda landed, ask=ask: engine.decide([ask], landed))
        clock.advance(60)
        if number == 0:
            assert reply.record is not None
            review = Review(format=1, record=reply.record.id, decision="judged", verdict="approved",
                            positive=False, reason="a | b", by="ann", at_us=1, task="")  # fmt: skip
            entry = Entry("review", "acme", "judged", encode_review(review))
            durable(lambda landed, entry=entry: (engine.append([entry], landed), True))
    erasure = erase(engine, "C1")
    engine.destroy_keys("acme", erasure)
    engine.close()
    return where


def export(where: DataDirectory, selection: RecordSelection, *, is_clear: bool = False) -> Exported:
    out = where.root / f"out{len(list(where.root.iterdir()))}"
    return export_records(
        where,
        selection,
        out,
        disk=SystemDisk(),
        clock=FakeClock(),
        by="ann",
        is_clear=is_clear,
    )


def rows(done: Exported) -> list[dict[str, object]]:
    lines = (Path(done.out) / "records.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=dict[str, object]) for line in lines]


def test_each_record_comes_with_its_request_and_personal_content_stays_encrypted(
    where: DataDirectory,
) -> None:
    done = export(where, RecordSelection())

    assert (done.records, done.reviews, done.erasures) == (3, 1, 1)
    found = rows(done)
    assert [one["event_key"] for one in found] == ["0", "1", "2"]
    for one in found:
        assert one["personal"] == {"name": "[encrypted]", "email": "[encrypted]"}
        assert set(msgspec.convert(one["event"], dict[str, object])) == {
            "id",
            "at",
            "customer",
            "amount",
        }
        assert one["features"] == {
            "0": 20.0,
            "1": 2.0 if one["event_key"] == "2" else 1.0,
            "2": 10.0,
        }
    with duckdb.connect() as database:
        same = database.sql(
            f"SELECT event_key, outcome, features ->> '0', epoch_us(\"at\") FROM "
            f"'{done.out}/records.parquet' ORDER BY event_key"
        ).fetchall()
    assert same == [
        (str(at), one["outcome"], "20.0", START_US + at * 60_000_000)
        for at, one in enumerate(found)
    ]


def test_content_in_the_clear_is_asked_for_and_what_is_erased_says_so(
    where: DataDirectory,
) -> None:
    names = [one["personal"] for one in rows(export(where, RecordSelection(), is_clear=True))]

    assert [msgspec.convert(one, dict[str, str])["name"] for one in names] == [
        "[erased]", "Ann Winter", "[erased]",
    ]  # fmt: skip


def test_keys_that_were_moved_to_postgresql_open_the_same(where: DataDirectory) -> None:
    with own_schema() as (_, url):
        there = replace(where, key_store=url)
        with pytest.raises(KeysNotMoved):
            export(there, RecordSelection(), is_clear=True)

        moved, again = move_to_key_store(there), move_to_key_store(there)

        assert (moved, again) == (2, 0)
        assert not list(where.root.glob("subject_keys.sqlite*"))
        names = [one["personal"] for one in rows(export(there, RecordSelection(), is_clear=True))]
    assert [msgspec.convert(one, dict[str, str])["name"] for one in names] == [
        "[erased]", "Ann Winter", "[erased]",
    ]  # fmt: skip


def test_a_move_that_was_killed_between_both_stores_is_done_again(where: DataDirectory) -> None:
    with own_schema() as (_, url):
        there = replace(where, key_store=url)
        held = where.subject_keys.read_bytes()
        move_to_key_store(there)
        where.subject_keys.write_bytes(held)

        arguments = ["--data-dir", str(where.root), "move-subject-keys", "--json"]
        done = CliRunner().invoke(
            command_line, arguments, env={"KINGPOST_SUBJECT_KEY_STORE": url}, catch_exceptions=False
        )
        assert json.loads(done.stdout) == {"moved": 2}
        assert not where.subject_keys.exists()


def test_keys_do_not_go_where_another_master_key_is_used(where: DataDirectory) -> None:
    with own_schema() as (_, url):
        with closing(PostgresSubjectKeys(url, where.partition)) as store:
            store.begin(b"another")

        with pytest.raises(MasterKeyUnusable):
            move_to_key_store(replace(where, key_store=url))
    assert export(where, RecordSelection(), is_clear=True).records == 3


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (RecordSelection(since_us=START_US + 1), ["1", "2"]),
        (RecordSelection(until_us=START_US + 60_000_000), ["0"]),
        (RecordSelection(subject=("customer", "C2")), ["1"]),
        (RecordSelection(subject=("name", "Ann Winter")), []),
        (RecordSelection(version=BUNDLE.hex()[:8]), ["0", "1", "2"]),
        (RecordSelection(version="00"), []),
        (RecordSelection(decision="other"), []),
        (RecordSelection(tenant="other"), []),
        (RecordSelection(tenant="acme", decision="judged"), ["0", "1", "2"]),
    ],
)
def test_records_are_selected(
    where: DataDirectory, selection: RecordSelection, keys: list[str]
) -> None:
    done = export(where, selection)

    assert [one["event_key"] for one in rows(done)] == keys
    assert done.reviews == ("0" in keys)


def test_the_manifest_has_the_digest_of_every_other_file(where: DataDirectory) -> None:
    done = export(where, RecordSelection())
    out = Path(done.out)

    manifest = json.loads((out / "manifest.json").read_text())
    assert {one["name"]: one["sha256"] for one in manifest["files"]} == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in out.iterdir()
        if file.name != "manifest.json"
    }
    assert (manifest["records"], manifest["stop"], manifest["personal"]) == (
        3,
        done.stop,
        "encrypted",
    )
    report = (out / "report.md").read_text()
    assert "3 records" in report
    assert r"a \| b" in report
    assert "| customer | C1 |" in report


def test_an_export_is_on_record_before_it_is_whole(where: DataDirectory) -> None:
    done = export(where, RecordSelection(subject=("customer", "C2"), tenant="acme"))
    control = where.control_log(disk=SystemDisk(), clock=FakeClock())
    offset, run = control.exports()[-1]
    manifest = (Path(done.out) / "manifest.json").read_bytes()

    assert (run.by, run.records, run.personal, run.stop) == ("ann", 1, "encrypted", done.stop)
    assert run.manifest == hashlib.sha256(manifest).hexdigest()
    entity, _, digest = str(run.selection["subject"]).partition(" ")
    assert entity == "customer"
    digests = SubjectDigests(where, disk=SystemDisk())
    assert digest == digests.of("acme", "customer", "C2") != digests.of("acme", "customer", "C1")
    place = where.log("control")
    proof = Prover(place, SystemDisk(), lambda entry: None).prove_at(offset)
    assert proof is not None
    assert proof.shown[0].entry.kind == "export"
    assert b"C2" not in proof.shown[0].entry.body


def test_an_export_is_written_once(where: DataDirectory) -> None:
    out = where.root / "out"
    out.mkdir()
    (out / "other.txt").touch()

    with pytest.raises(ExportExists, match="not empty"):
        export_records(
            where, RecordSelection(), out, disk=SystemDisk(), clock=FakeClock(), by="ann"
        )
