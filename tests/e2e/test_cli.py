"""The command line as a user meets it, over real processes and files."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli_app import SOURCE, PreparedShop, kingpost, write_history


def refused(directory: Path, *arguments: str) -> str:
    """Run a command that must fail with a Kingpost error; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error [")
    return done.stderr


@contextmanager
def running(directory: Path) -> Generator[str, None, None]:
    server = subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", str(directory / "data"),
         "run", "shop_app.py", "--port", "0", "--json"],
        cwd=directory,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["url"]
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0


def ask(url: str, secret: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(
        f"{url}/v1/decisions/risk",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


ORDER = {"id": "new-1", "at": "2018-08-12T10:00:00Z", "customer": "c7", "amount": 310.0}


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("shop")
    return directory, prepared_shop.copied(directory)


def test_a_decision_is_served_recorded_replayed_and_verified(shop: tuple[Path, str]) -> None:
    directory, secret = shop
    with running(directory) as url:
        status, told = ask(url, secret, ORDER)
        again, repeated = ask(url, secret, ORDER)
        clash, problem = ask(url, secret, ORDER | {"amount": 1.0})

    assert (status, again, clash) == (200, 200, 409)
    assert repeated == told
    assert problem["code"] == "event_conflict"
    replayed = kingpost(directory, "replay", str(told["id"]), "--json")
    assert replayed["is_equal"] is True
    assert replayed["answer"] == told["answer"]
    assert kingpost(directory, "verify", "--json")["different"] == 0
    some = ("replay", "--decision", "risk", "--since", "2020-01-01T00:00:00Z", "--json")
    assert kingpost(directory, *some)["verified"] == 1
    assert kingpost(directory, *some, "--until", "2020-01-02T00:00:00Z")["records"] == 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("some-id", "--decision", "risk"), ("--since", "yesterday"), ("--subject", "nobody")],
)
def test_a_replay_of_nothing_or_of_two_things_is_a_wrong_call(
    shop: tuple[Path, str], arguments: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", "replay", *arguments],
        cwd=shop[0],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "Usage:" in done.stderr


def test_parity_and_backfill_run_on_the_journal(shop: tuple[Path, str]) -> None:
    directory, _ = shop
    parity = kingpost(directory, "parity", "shop_app.py", "--last", "2d", "--json")
    filled = kingpost(directory, "backfill", "shop_app.py", "--out", "features.parquet", "--json")

    assert parity["mismatches"] == 0
    assert int(str(parity["reads"])) > 1000
    assert filled["rows"] == 3000 or filled["rows"] == 3001
    assert (directory / "features.parquet").stat().st_size > 10_000


def test_hindsight_is_told_for_every_feature(shop: tuple[Path, str]) -> None:
    directory, _ = shop

    told = kingpost(directory, "features", "hindsight", "shop_app.py", "--json")

    shares = {
        one["feature"]: one["share"] for one in cast("list[dict[str, Any]]", told["features"])
    }
    assert told["requests"] in (3000, 3001)
    assert shares["amount"] == 0
    assert all(0 <= share <= 1 for share in shares.values())


def test_the_same_file_again_adds_nothing(shop: tuple[Path, str]) -> None:
    directory, _ = shop
    report = kingpost(directory, "ingest", "shop_app.py", "order", "orders.csv", "--json")

    assert (report["rows"], report["accepted"], report["duplicates"]) == (3000, 0, 3000)


def test_files_of_corrections_and_retractions_change_what_counts(tmp_path: Path) -> None:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    write_history(tmp_path, rows=300)
    rows = (tmp_path / "orders.csv").read_text().splitlines()
    (tmp_path / "corrections.csv").write_text("\n".join([rows[0], rows[5].replace(",c", ",c9")]))
    ingest = ("ingest", "shop_app.py", "order")
    kingpost(tmp_path, *ingest, "orders.csv", "--json")

    corrected = kingpost(tmp_path, *ingest, "corrections.csv", "--as", "corrections", "--json")
    again = kingpost(tmp_path, *ingest, "corrections.csv", "--as", "corrections", "--json")
    (tmp_path / "keys.jsonl").write_text('{"id": "o7"}\n{"id": "never"}\n')
    retracted = kingpost(tmp_path, *ingest, "keys.jsonl", "--as", "retractions", "--json")

    assert (corrected["corrected"], again["corrected"], again["unchanged"]) == (1, 0, 1)
    assert (retracted["retracted"], retracted["held"]) == (1, 1)
    filled = kingpost(tmp_path, "backfill", "shop_app.py", "--out", "f.parquet", "--json")
    assert filled["rows"] == 299
    for order in ((), ("--as-journalled",)):
        parity = kingpost(tmp_path, "parity", "shop_app.py", "--last", "9d", *order, "--json")
        assert parity["mismatches"] == 0
        assert int(str(parity["requests"])) > 200


def test_bad_rows_are_listed_with_the_reason_and_taken_when_the_contract_widens(
    tmp_path: Path,
) -> None:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    (tmp_path / "orders.csv").write_text(
        "id,at,customer,amount\n"
        "a,2018-08-01T00:00:00Z,c1,10\n"
        "b,2018-08-01T00:00:00Z,c1,-5\n"
        "c,yesterday,c1,5\n"
    )
    report = kingpost(tmp_path, "ingest", "shop_app.py", "order", "orders.csv", "--json")
    assert (report["accepted"], report["quarantined"]) == (1, 2)

    listed = kingpost(tmp_path, "quarantine", "list", "shop_app.py", "order", "--json")
    rows = cast("list[dict[str, object]]", listed["rows"])
    assert [(row["row"], row["field"]) for row in rows] == [(3, "amount"), (4, "at")]

    (tmp_path / "shop_app.py").write_text(SOURCE.replace("kp.Range(ge=0), ", ""))
    replayed = kingpost(tmp_path, "quarantine", "replay", "shop_app.py", "order", "--json")
    assert (replayed["rows"], replayed["accepted"], replayed["refused"]) == (2, 1, 1)


def test_an_incompatible_contract_is_refused_with_the_field_named(tmp_path: Path) -> None:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    write_history(tmp_path, rows=50)
    kingpost(tmp_path, "ingest", "shop_app.py", "order", "orders.csv", "--json")
    (tmp_path / "shop_app.py").write_text(
        SOURCE.replace('kp.Resolution("0.01")', 'kp.Resolution("0.1")')
    )

    said = refused(tmp_path, "parity", "shop_app.py")

    assert "incompatible_contract" in said
    assert "order.amount" in said


def test_nothing_runs_before_it_is_approved_nor_after_the_code_changed(tmp_path: Path) -> None:
    (tmp_path / "shop_app.py").write_text(SOURCE)
    write_history(tmp_path)
    for stream, file in (("order", "orders.csv"), ("chargeback", "chargebacks.csv")):
        kingpost(tmp_path, "ingest", "shop_app.py", stream, file, "--json")

    assert "no_model" in refused(tmp_path, "run", "shop_app.py", "--port", "0")
    kingpost(tmp_path, "train", "shop_app.py", "--json")
    assert "bundle_not_approved" in refused(tmp_path, "run", "shop_app.py", "--port", "0")
    kingpost(tmp_path, "approve", "shop_app.py", "--reason", "a test", "--json")
    (tmp_path / "shop_app.py").write_text(SOURCE.replace("< 6", "< 7"))
    said = refused(tmp_path, "run", "shop_app.py", "--port", "0")

    assert "bundle_mismatch" in said
    assert "code, features differ" in said


def test_what_is_not_declared_or_not_there_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "shop_app.py").write_text(SOURCE)

    assert "it declares order, chargeback" in refused(
        tmp_path, "ingest", "shop_app.py", "ordre", "orders.csv"
    )
    assert "unreadable_source" in refused(tmp_path, "ingest", "shop_app.py", "order", "none.csv")
    assert "bad_application" in refused(tmp_path, "parity", "missing.py")
    assert "record_not_found" in refused(tmp_path, "replay", "nothing")


def test_a_misspelt_setting_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "keys", "list"],
        cwd=tmp_path,
        env=os.environ | {"KINGPOST_PROT": "80"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "KINGPOST_PROT" in done.stderr


def test_features_are_listed_and_one_is_shown_with_what_it_was(
    shop: tuple[Path, str], tmp_path: Path
) -> None:
    directory, _ = shop
    changed = tmp_path / "shop_app.py"
    changed.write_text(
        SOURCE.replace('mean=kp.mean("amount")', 'mean=kp.mean("amount", default=1)')
    )

    listed = kingpost(directory, "features", "list", "shop_app.py", "--text", "mean", "--json")
    found = cast("list[dict[str, object]]", listed["features"])
    assert [one["name"] for one in found] == ["customer_mean_6h", "customer_mean_2d"]
    assert [one["models"] for one in found] == [
        [{"model": "risk", "number": 1, "runs": ["risk"]}]
    ] * 2
    shown = kingpost(directory, "features", "show", str(changed), "to_usual", "--json")
    versions = cast("list[dict[str, object]]", shown["versions"])
    assert [(one["declared"], one["first_bundled"] is None) for one in versions] == [
        (True, True),
        (False, False),
    ]
    assert "not_declared" in refused(directory, "features", "show", "shop_app.py", "nothing")
