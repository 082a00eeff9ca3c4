import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from kingpost.contracts import Event, Instant, UnknownZone, events_of
from kingpost.core import KingpostError
from kingpost.integrations import Reading, SchemaMismatch, UnreadableSource, read_file
from tests.payments import PAYMENT, Payment

MINUTE_1 = Instant.parse("2018-08-01T00:01:00Z")
HEADER = "id,at,amount,shop\n"
LINE_1 = "1,2018-08-01T00:01:00Z,1.5,x\n"
PAYMENT_1 = Payment(id=1, at=MINUTE_1, amount=1.5, shop="x")
MAPPED = {"id": "ID", "at": "Time", "amount": "Sum"}


class Read:
    """What came of reading a file."""

    def __init__(self, path: Path, reading: Reading) -> None:
        chunks = list(read_file(path, PAYMENT, reading))
        self.events: list[Event] = [
            event for chunk in chunks for event in events_of(PAYMENT, chunk.batch)
        ]
        self.refused = [row for chunk in chunks for row in chunk.refused]
        self.reasons = [(row.row, row.violation.field, row.violation.found) for row in self.refused]
        self.rows = chunks[-1].rows
        self.share = chunks[-1].share


def read(
    tmp_path: Path,
    name: str,
    content: str | bytes,
    *,
    mapping: Mapping[str, str] | None = None,
    zone: str | None = None,
    ignore_extra: bool = False,
) -> Read:
    path = tmp_path / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return Read(path, Reading(mapping or {}, zone, ignore_extra))


def test_rows_of_a_csv_file_become_events(tmp_path: Path) -> None:
    found = read(
        tmp_path, "a.csv", HEADER + LINE_1 + '2,2018-08-01T02:01:00+02:00,2,"a, ""b""\nc"\n'
    )

    assert found.events == [PAYMENT_1, Payment(id=2, at=MINUTE_1, amount=2.0, shop='a, "b"\nc')]
    assert (found.rows, found.share, found.refused) == (2, 1.0, [])


def test_columns_may_be_in_any_order_and_have_other_names(tmp_path: Path) -> None:
    text = "Sum,Time,ID\n1.5,2018-08-01 02:01:00,1\n"

    found = read(tmp_path, "a.csv", text, mapping=MAPPED, zone="Europe/Rome")

    assert found.events == [Payment(id=1, at=MINUTE_1, amount=1.5)]


def test_an_empty_cell_is_none_or_the_default_or_a_reason(tmp_path: Path) -> None:
    text = "id,at,amount,shop,ratio\n1,2018-08-01T00:01Z,1,,\n2,2018-08-01T00:01Z,,x,1\n"

    found = read(tmp_path, "a.csv", text)

    assert found.events == [Payment(id=1, at=MINUTE_1, amount=1.0, shop="-", ratio=None)]
    assert found.reasons == [(3, "amount", "nothing")]


def test_bad_rows_are_numbered_as_an_editor_counts_lines(tmp_path: Path) -> None:
    text = HEADER + "\n" + '1,2018-08-01T00:01Z,1,"two\nlines"\n' + "2,never,1,x\n" + LINE_1[:-1]

    found = read(tmp_path, "a.csv", text)

    assert found.reasons == [(5, "at", "something else")]
    assert json.loads(found.refused[0].raw) == {
        "id": "2",
        "at": "never",
        "amount": "1",
        "shop": "x",
    }
    assert found.rows == 3


def test_a_row_with_too_few_or_too_many_cells_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", HEADER + LINE_1 + "2,2018-08-01T00:01Z,1\n" + "1,2,3,4,5\n")

    assert found.events == [PAYMENT_1]
    assert found.reasons == [(3, "", "3 cells"), (4, "", "5 cells")]
    assert {row.form for row in found.refused} == {"shown"}


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_data(tmp_path: Path) -> None:
    windows = ("\ufeff" + HEADER + LINE_1).replace("\n", "\r\n")

    assert read(tmp_path, "a.csv", windows).events == [PAYMENT_1]


def test_rows_of_a_json_lines_file_become_events(tmp_path: Path) -> None:
    text = '\n{"id":1,"at":"2018-08-01T00:01:00Z","amount":1.5,"shop":"x"}\n  \n{"id":2}\n[1]\n'

    for name in ("a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "A.JSONL"):
        found = read(tmp_path, name, text if "gz" not in name else text.encode())
        assert found.events == [PAYMENT_1]
        assert found.reasons == [(4, "at", "nothing"), (5, "", "`array`")]
        assert [row.raw for row in found.refused] == ['{"id":2}', "[1]"]
        assert found.rows == 3


def test_compressed_csv_is_read_as_if_it_were_not(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv.gz", HEADER + LINE_1)

    assert (found.events, found.share) == ([PAYMENT_1], 1.0)


def test_a_line_that_is_not_utf_8_is_refused_and_shown(tmp_path: Path) -> None:
    line = b'{"id":1,"at":"2018-08-01T00:01:00Z","amount":1.5,"shop":"caf\xe9"}'

    found = read(tmp_path, "a.jsonl", line)

    assert found.reasons == [(1, "", "other bytes")]
    assert (found.refused[0].form, found.refused[0].raw[-10:]) == ("shown", '"caf\\xe9"}')


def test_members_of_json_objects_may_have_other_names(tmp_path: Path) -> None:
    text = (
        '{"ID":1,"Time":"2018-08-01T00:01","Sum":1.5,"shop":"x"}\n'
        '{"ID":2,"Time":"2018-08-01T00:01","Sum":1.5,"amount":7}\n'
        '{"ID":3,"Time":"2018-08-01T00:01","Sum":1.5,"colour":7}\n'
        '{"ID":4,"Time":"2018-08-01T00:01","Sum":"x"}\n'
        '{"ID":5,\n'
    )

    strict = read(tmp_path, "a.jsonl", text, mapping=MAPPED, zone="UTC")
    lenient = read(tmp_path, "a.jsonl", text, mapping=MAPPED, zone="UTC", ignore_extra=True)

    assert strict.events == [PAYMENT_1]
    assert [reason[:2] for reason in strict.reasons] == [
        (2, "amount "),
        (3, "colour"),
        (4, "amount"),
        (5, ""),
    ]
    assert lenient.events[1:] == [
        Payment(id=2, at=MINUTE_1, amount=1.5),
        Payment(id=3, at=MINUTE_1, amount=1.5),
    ]
    assert json.loads(lenient.refused[0].raw) == {"id": 4, "at": "2018-08-01T00:01", "amount": "x"}


def test_columns_that_are_no_field_are_passed_over_only_on_request(tmp_path: Path) -> None:
    text = HEADER.replace("shop", "colour") + LINE_1

    with pytest.raises(
        SchemaMismatch, match=r"only columns that are fields of payment, found also"
    ):
        read(tmp_path, "a.csv", text)

    found = read(tmp_path, "a.csv", text, ignore_extra=True)
    assert found.events == [Payment(id=1, at=MINUTE_1, amount=1.5)]


SCHEMA_ERRORS: list[tuple[str, dict[str, str], str]] = [
    ("id,at,shop\n", {}, "field 'amount': expected a column 'amount', found columns id, at, shop"),
    (HEADER, {"ratio": "Ratio"}, "field 'ratio': expected a column 'Ratio'"),
    (HEADER, {"colour": "c"}, "field 'colour': expected a field of payment: id, at, amount"),
    (HEADER, {"shop": "id"}, "field 'shop': expected a column of its own, found column 'id'"),
    ("id,at,amount,id\n", {}, "field 'id': expected one column 'id', found two"),
    ("id;at;amount\n", {}, "with commas between them, found semicolons between them"),
    ("id\tat\tamount\n", {}, "found tabs between them"),
]


@pytest.mark.parametrize(("text", "mapping", "message"), SCHEMA_ERRORS)
def test_a_header_that_does_not_fit_is_one_error_with_the_field_named(
    tmp_path: Path, text: str, mapping: Mapping[str, str], message: str
) -> None:
    with pytest.raises(SchemaMismatch) as caught:
        read(tmp_path, "a.csv", text, mapping=mapping)

    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}: ")
    assert message in str(caught.value)


def test_a_mapping_is_checked_for_json_lines_too(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch, match="field 'colour'"):
        read(tmp_path, "a.jsonl", "{}", mapping={"colour": "c"})


SOURCE_ERRORS: list[tuple[str, bytes, str]] = [
    ("a.csv", b"", "is empty"),
    ("a.jsonl", b"", "is empty"),
    ("a.csv", b"\n\n", "has no header"),
    ("a.csv", HEADER.encode() + b"1,2018-08-01T00:01Z,1,caf\xe9\n", "is not UTF-8 text"),
    ("a.csv", HEADER.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    ("a.jsonl", "{}".encode("utf-16"), "is UTF-16 text"),
    ("a.csv", (HEADER + LINE_1 + '2,x,y,"z\n' + LINE_1).encode(), "no valid CSV at line 3"),
    ("a.csv", (HEADER + LINE_1 + '2,x,y,"z"z\n').encode(), "no valid CSV at line 3"),
    ("a.json", b'[{"id": 1}]', "is a JSON array; write one object a line"),
    ("a.csv", gzip.compress(HEADER.encode() * 999, mtime=0)[:-20], "is a damaged gzip file"),
    ("a.jsonl", gzip.compress(b'{"id":1}\n' * 99, mtime=0)[:12] + b"xx", "is a damaged gzip file"),
    ("a.xlsx", b"PK", "has a name that tells no format; use .csv, .jsonl"),
    ("a", b"x", "has a name that tells no format"),
    ("a.gz", b"x", "has a name that tells no format"),
]


@pytest.mark.parametrize(("name", "content", "message"), SOURCE_ERRORS)
def test_a_file_that_cannot_be_read_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(UnreadableSource) as caught:
        Read(path, Reading())

    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl", "none.parquet"])
def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableSource, match="does not exist"):
        Read(tmp_path / name, Reading())


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()

    with pytest.raises(UnreadableSource, match="Is a directory"):
        Read(tmp_path / "a.csv", Reading())


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_zone_that_does_not_exist_is_found_before_any_row(tmp_path: Path, name: str) -> None:
    with pytest.raises((UnknownZone, UnreadableSource)) as caught:
        read(tmp_path, name, HEADER + LINE_1, zone="Europe/Atlantis")

    assert isinstance(caught.value, KingpostError)


def test_a_file_of_a_header_alone_has_no_rows(tmp_path: Path) -> None:
    found = read(tmp_path, "a.csv", HEADER)

    assert (found.rows, found.events, found.refused) == (0, [], [])


def test_a_long_file_comes_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id":1,"at":"2018-08-01T00:01:00Z","amount":1}\n' * 70_000)

    chunks = list(read_file(path, PAYMENT, Reading()))

    assert [chunk.batch.rows for chunk in chunks] == [65_536, 70_000 - 65_536]
    assert [chunk.rows for chunk in chunks] == [65_536, 70_000]
    assert 0.9 < chunks[0].share < chunks[1].share == 1.0
