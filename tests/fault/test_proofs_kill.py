"""`kill -9` under load: every answer that left has its record in the tree, and a proof of it."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

from kingpost.core import SystemDisk, parse_id
from kingpost.decisions import DataDirectory
from kingpost.proofs import Prover, Trust, parse_checkpoint, proof_json, verify_json
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import Load, ServedShop, until
from tests.small_tree import entry_id

KILLS = 3


def test_every_answer_that_left_is_proved(prepared_shop: PreparedShop, tmp_path: Path) -> None:
    secret = prepared_shop.copied(tmp_path)
    where = DataDirectory(tmp_path / "data")
    place = where.log("records")
    checkpoint = place.public / "checkpoint"
    kept: list[str] = []
    answered: set[str] = set()
    for run in range(KILLS):
        with ServedShop(tmp_path, secret) as shop:
            load = Load(shop, f"run{run}")
            load.go_on(300)
            until(checkpoint.exists, "a first checkpoint is signed")
            kept.append(checkpoint.read_text())
            shop.end(signal.SIGKILL)
            report = load.stop()
        answered |= {json.loads(one.body)["id"] for one in report.answers if one.status == 200}
    assert len(answered) > 300

    last = kingpost(tmp_path, "checkpoint", "--json")
    disk = SystemDisk()
    trust = Trust(place.keys(disk).verifiers(), list(map(parse_checkpoint, kept)))
    prover = Prover(place, disk, entry_id)
    for identifier in sorted(answered):
        wanted = parse_id(identifier)
        assert wanted is not None
        proof = prover.prove(wanted, kept=trust.kept)
        assert proof is not None, f"{identifier} was answered and is not in the tree"
        verdict = verify_json(json.dumps(proof_json(proof)).encode(), trust, entry_id)
        assert verdict.is_proved, verdict.problems

    (tmp_path / "kept.txt").write_text(kept[0])
    key = str(trust.keys[0])
    audit = kingpost(tmp_path, "verify", "data", "--key", key, "--checkpoint", "kept.txt", "--json")
    assert audit["is_proved"] is True
    [found] = cast("list[dict[str, object]]", audit["logs"])
    assert found["leaves"] == found["commits_compared"] == last["size"]

    kingpost(tmp_path, "prove", min(answered), "--out", "proof.json",
             "--checkpoint", "kept.txt", "--json")  # fmt: skip
    found = kingpost(tmp_path, "verify", "proof.json", "--checkpoint", "kept.txt", "--json")
    assert found["is_proved"] is True
    script = tmp_path / "verifier.py"
    subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "tree", "verifier", "--out", str(script)], check=True
    )
    told = subprocess.run(
        [sys.executable, "-I", str(script), "proof.json", "--key", key, "--checkpoint", "kept.txt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout
    assert told.stdout.startswith("proved: record ")
