"""`kingpost prove`, `verify`, `checkpoint`, `tree` and `witness`, as people call them."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from kingpost.core import SystemDisk, id_text
from kingpost.journal import Journal
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop, order
from tests.small_tree import auditor, opened, pair, place_in, record_id


def appended(directory: Path, *numbers: int) -> Journal:
    with opened(SystemDisk(), place_in(directory / "data")) as journal:
        for number in numbers:
            journal.append(pair(number))
    return journal


def log_in(result: dict[str, object]) -> dict[str, object]:
    """Return what was found of the one log that was checked."""
    [found] = cast("list[dict[str, object]]", result["logs"])
    return found


def key_of(directory: Path, log: str) -> str:
    [key] = cast("list[str]", kingpost(directory, "tree", "keys", "--log", log, "--json")["keys"])
    return key


def test_a_proof_is_made_checked_and_refused_when_it_was_changed(tmp_path: Path) -> None:
    appended(tmp_path, *range(10))
    key = kingpost(tmp_path, "tree", "keys", "--json")["keys"][0]  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]
    kept = kingpost(tmp_path, "checkpoint", "--out", "kept.txt", "--json")
    appended(tmp_path, *range(10, 30))
    identifier = id_text(record_id(7))
    kingpost(tmp_path, "prove", identifier, "--out", "p.json", "--checkpoint", "kept.txt", "--json")

    trusted = ("--key", str(key), "--checkpoint", "kept.txt", "--json")  # pyright: ignore[reportUnknownArgumentType]
    found = kingpost(tmp_path, "verify", "p.json", *trusted)
    changed = (tmp_path / "p.json").read_text().replace('"tenant": "acme"', '"tenant": "evil"')
    (tmp_path / "changed.json").write_text(changed)
    refused = kingpost(tmp_path, "verify", "changed.json", *trusted, code=1)

    assert (kept["size"], found["tree_size"], found["index"]) == (10, 30, 7)
    assert found["is_proved"] is True
    assert refused["problems"] == ["entry 1 is not the one that the leaf commits to"]

    kingpost(tmp_path, "tree", "rotate", "--json")
    kingpost(tmp_path, "checkpoint", "--since", "kept.txt", "--out", "c.json", "--json")
    assert kingpost(tmp_path, "verify", "c.json", *trusted)["old_size"] == 10
    kingpost(tmp_path, "tree", "export", "public", "--json")
    assert log_in(kingpost(tmp_path, "verify", "public", *trusted))["leaves"] == 30
    assert log_in(kingpost(tmp_path, "verify", "data", *trusted))["commits_compared"] == 30


def test_a_changed_journal_is_named_and_signed_no_more(tmp_path: Path) -> None:
    appended(tmp_path, *range(10))
    kingpost(tmp_path, "checkpoint", "--out", "kept.txt", "--json")
    journal = place_in(tmp_path / "data").journal
    for path in journal.glob("*.log"):
        path.unlink()
    appended(tmp_path, 0, 1, 2, 3, 99, *range(5, 10))

    found = log_in(
        kingpost(tmp_path, "verify", "data", "--checkpoint", "kept.txt", "--json", code=1)
    )

    assert (found["first_bad"], found["first_bad_before"]) == (4, 5)
    appended(tmp_path, 11)
    assert kingpost(tmp_path, "checkpoint", "--json")["size"] == 11  # its last leaf is as before


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("prove", id_text(record_id(77))), 1, "record_not_found"),
        (("prove", "no-id"), 1, "record_not_found"),
        (("prove", "data:999"), 1, "record_not_found"),
        (("prove", "control:x"), 1, "record_not_found"),
        (("verify", "nothing.json", "--key", "a+b+c"), 1, "bad_verifier_key"),
        (("verify", "kept.txt"), 2, "give --key"),
        (("verify", "kept.txt", "--checkpoint", "kept.txt"), 1, "bad_proof"),
        (("checkpoint", "--since", "shop.txt"), 1, "system_refused"),
    ],
)
def test_mistakes_are_told(
    tmp_path: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    appended(tmp_path, *range(3))
    kingpost(tmp_path, "checkpoint", "--out", "kept.txt", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code
    assert told in done.stderr


def test_a_witness_in_another_process_signs_every_checkpoint(tmp_path: Path) -> None:
    appended(tmp_path, *range(3))
    key = kingpost(tmp_path, "tree", "keys", "--json")["keys"][0]  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]
    (tmp_path / "log.key").write_text(f"{key}\n")
    witness = kingpost(tmp_path, "witness", "key", "w.key", "--name", "w.example", "--json")["key"]
    server = subprocess.Popen(
        [sys.executable, "-m", "kingpost.cli", "witness", "serve", "--key", "w.key", "--log",
         "log.key", "--state", "seen", "--port", "0", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        asks = f"{witness} {url}"
        kingpost(tmp_path, "checkpoint", "--json", KINGPOST_TREE_WITNESSES=asks)
        appended(tmp_path, 3, 4)
        kingpost(tmp_path, "checkpoint", "--json", KINGPOST_TREE_WITNESSES=asks)
        kingpost(
            tmp_path,
            "prove",
            id_text(record_id(4)),
            "--out",
            "p.json",
            "--json",
            KINGPOST_TREE_WITNESSES=asks,
        )
        server.terminate()

    trusted = ("--key", "log.key", "--witness", str(witness), "--witnesses", "1", "--json")
    assert kingpost(tmp_path, "verify", "p.json", *trusted)["is_proved"] is True


def test_an_export_proves_each_of_its_records(prepared_shop: PreparedShop, tmp_path: Path) -> None:
    secret = prepared_shop.copied(tmp_path)
    with ServedShop(tmp_path, secret, "--no-watch") as server:
        ids = [server.decide(order(f"e-{at}", at)).json()["id"] for at in range(3)]
        assert server.end() == 0
    [key] = kingpost(tmp_path, "tree", "keys", "--json")["keys"]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    kingpost(tmp_path, "export", "--out", "out", "--with-proofs", "--json")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    held = {one["name"]: one["sha256"] for one in manifest["files"]}

    assert manifest["proofs"] == sorted(f"proofs/{one}.json" for one in ids)
    for name in manifest["proofs"]:
        proof = (tmp_path / "out" / name).read_bytes()
        assert hashlib.sha256(proof).hexdigest() == held[name]
        found = kingpost(tmp_path, "verify", f"out/{name}", "--key", str(key), "--json")  # pyright: ignore[reportUnknownArgumentType]
        assert found["is_proved"] is True


def test_approvals_and_erasures_are_proved_and_both_logs_are_checked(
    prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    prepared_shop.copied(tmp_path)
    secret = str(
        kingpost(tmp_path, "keys", "create", "--scope", "erase", "--scope", "decide", "--json")[
            "secret"
        ]
    )
    with ServedShop(tmp_path, secret, "--no-watch") as server:
        server.decide(order("one"))
        asked = {"entity": "customer", "key": "c1", "reason": "asked to"}
        erased = server.client.post("/v1/erasures", json=asked).json()["position"]
        assert server.end() == 0
    listed = kingpost(tmp_path, "models", "list", "shop_app.py", "--json")
    [approval] = cast("list[dict[str, str]]", listed["approvals"])
    keys = {log: key_of(tmp_path, log) for log in ("records", "control")}
    kingpost(tmp_path, "checkpoint", "--log", "control", "--out", "control.txt", "--json")

    assert keys["records"].partition("+")[0] != keys["control"].partition("+")[0]
    for position, log in ((erased, "records"), (approval["position"], "control")):
        kingpost(tmp_path, "prove", position, "--out", "p.json", "--json")
        for key, code in ((keys[log], 0), (keys["control" if log == "records" else "records"], 1)):
            found = kingpost(tmp_path, "verify", "p.json", "--key", key, "--json", code=code)
            assert found["is_proved"] is (code == 0)
        assert run_auditor(tmp_path, "p.json", "--key", keys[log]).returncode == 0

    trusted = ("--key", keys["records"], "--checkpoint", "control.txt")
    found = kingpost(tmp_path, "verify", "data", *trusted, "--json")
    assert [one["log"] for one in cast("list[dict[str, object]]", found["logs"])] == [
        "data",
        "control",
    ]
    alone = kingpost(tmp_path, "verify", "data", "--key", keys["records"], "--json")
    assert (alone["not_checked"], alone["not_here"]) == (["control"], [])
    told = run_auditor(tmp_path, "data", *trusted)
    assert told.returncode == 0
    assert "log control: " in told.stdout
    assert "log data: NOT CHECKED" in run_auditor(tmp_path, "data", *trusted[2:]).stdout

    shutil.rmtree(tmp_path / "data" / "tree" / "control")
    gone = kingpost(tmp_path, "verify", "data", *trusted, "--json", code=1)
    assert gone["not_here"] == [keys["control"].partition("+")[0]]
    assert run_auditor(tmp_path, "data", *trusted).returncode == 1


def run_auditor(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the auditor's file, which knows nothing of Kingpost."""
    script = Path(auditor.__file__)
    return subprocess.run(
        [sys.executable, "-I", str(script), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
