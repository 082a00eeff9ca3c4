"""`kingpost score` over files, beside the same requests asked over HTTP."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.cli_app import SOURCE, PreparedShop, kingpost
from tests.served_shop import ServedShop

APP = "shop_app.py"
ASKED = [
    # of known customers and an unknown one, each once: online, no row sees another then
    ("n0", "2018-08-10T10:00:00Z", "c0", 20.5),
    ("n1", "2018-08-10T23:59:59.999999Z", "c1", 310.25),
    ("n2", "2018-08-11T03:00:00Z", "c2", 0.0),
    ("n3", "2018-08-09T12:30:00Z", "c3", 150.0),
    ("n4", "2018-08-10T12:30:00Z", "nobody", 99.99),
    *((f"m{at}", "2018-08-10T18:00:00Z", f"c{at}", 7.25 * at) for at in range(4, 40)),
]


def body_of(row: tuple[str, str, str, float]) -> bytes:
    return json.dumps(dict(zip(("id", "at", "customer", "amount"), row, strict=True))).encode()


def kingpost_fails(directory: Path, *arguments: str) -> str:
    """Run a command that fails; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", *arguments],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stderr


def write_inputs(directory: Path) -> None:
    """Write the requests in three formats, a third in each, and rows that are none."""
    inputs = directory / "in"
    inputs.mkdir()
    third = len(ASKED) // 3
    cells = "\n".join(",".join(map(str, row)) for row in ASKED[:third])
    (inputs / "1.csv").write_text(f"id,at,customer,amount\n{cells}\nx1,yesterday,c1,5\n")
    lines = b"\n".join(map(body_of, ASKED[third : 2 * third]))
    (inputs / "2.jsonl").write_bytes(lines + b'\n{"id": 7}\nno JSON\n')
    values = ", ".join(
        f"('{key}', TIMESTAMPTZ '{at}', '{customer}', {amount}::DOUBLE)"
        for key, at, customer, amount in [*ASKED[2 * third :], ("x2", ASKED[0][1], "c1", -1.0)]
    )
    with duckdb.connect() as database:
        database.sql(
            f'SELECT * FROM (VALUES {values}) AS t(id, "at", customer, amount)'
        ).write_parquet(str(inputs / "3.parquet"))


def test_a_batch_has_the_answers_that_the_server_gives_to_the_same_requests(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    secret = prepared_shop.copied(tmp_path)
    write_inputs(tmp_path)

    told = kingpost(tmp_path, "score", APP, "risk", "in", "--out", "scored", "--json")
    with ServedShop(tmp_path, secret) as server:
        online = [server.decide(body_of(row)).json() for row in ASKED]

    columns = "id, amount, score, confidence, answer, outcome, reason, bundle"
    with duckdb.connect() as database:
        scored, bad = (
            f"'{tmp_path}/scored/part-*.parquet'",
            f"'{tmp_path}/scored/refused-*.parquet'",
        )
        rows = database.execute(f"SELECT {columns} FROM {scored}").fetchall()
        refused = database.execute(f"SELECT file, row, field FROM {bad}").fetchall()
    assert (told["files"], told["rows"], told["refused"]) == (3, len(ASKED), 4)
    assert [row[0] for row in rows] == [row[0] for row in ASKED]
    for (_, amount, score, confidence, answer, outcome, reason, bundle), asked, given in zip(
        rows, ASKED, online, strict=True
    ):
        assert amount == asked[3]
        assert json.loads(answer) == given["answer"]
        assert score == given["answer"]["score"]
        assert (confidence, outcome, reason) == (
            given["confidence"], given["outcome"], given.get("reason", ""),
        )  # fmt: skip
        assert bundle == told["bundle"]
    assert refused == [
        ("in/1.csv", len(ASKED) // 3 + 2, "at"),
        ("in/2.jsonl", len(ASKED) // 3 + 1, "id"),
        ("in/2.jsonl", len(ASKED) // 3 + 2, ""),
        ("in/3.parquet", len(ASKED) - 2 * (len(ASKED) // 3) + 1, "amount"),
    ]
    noted = kingpost(tmp_path, "batches", "risk", "--json")["batches"]
    assert isinstance(noted, list)
    states = [(one["id"], one["state"], one["output"]) for one in noted]  # pyright: ignore[reportUnknownVariableType]
    assert states == [(told["id"], "begun", ""), (told["id"], "finished", told["output"])]
    assert (
        json.loads((tmp_path / "scored" / "summary.json").read_bytes())["output"]
        == (told["output"])
    )


def test_a_batch_that_could_not_be_read_is_begun_anew_when_its_options_are_mended(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    prepared_shop.copied(tmp_path)
    (tmp_path / "new.csv").write_text("id,at,customer,price\nn1,2018-08-11T00:00:00Z,c1,5\n")
    score = ("score", APP, "risk", "new.csv", "--out", "scored", "--json")

    kingpost_fails(tmp_path, *score)
    told = kingpost(tmp_path, *score, "--map", "amount=price")

    assert (told["rows"], told["refused"], told["resumed"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("change", "arguments", "code"),
    [
        ("source", ("in",), "bundle_mismatch"),
        ("unapproved", ("in",), "bundle_not_approved"),
        ("", ("gone.csv",), "unreadable_source"),
        ("", ("in", "--map", "amount=price"), "schema_mismatch"),
        ("", ("in", "--bundle", "0123456789"), "unknown_bundle"),
    ],
)
def test_what_was_not_approved_and_what_cannot_be_read_is_not_scored(
    prepared_shop: PreparedShop, tmp_path: Path, change: str, arguments: tuple[str, ...], code: str
) -> None:
    prepared_shop.copied(tmp_path)
    write_inputs(tmp_path)
    if change == "source":
        (tmp_path / APP).write_text(SOURCE.replace("min_confidence=0.7", "min_confidence=0.9"))
    if change == "unapproved":
        trained = kingpost(tmp_path, "train", APP, "--test-from", "2018-08-09T00:00:00Z",
                           "--train-until", "2018-08-07T00:00:00Z",
                           "--test-to", "2018-08-10T00:00:00Z", "--json")  # fmt: skip
        arguments = (*arguments, "--bundle", str(trained["bundle"]))

    said = kingpost_fails(tmp_path, "score", APP, "risk", *arguments, "--out", "scored")

    assert f"error [{code}]" in said
    assert not list((tmp_path / "scored").glob("*.parquet"))
