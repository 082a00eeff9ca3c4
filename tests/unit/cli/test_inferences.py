"""`kingpost inferences` reads who asked which model, and a digest of both ends."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from kingpost.cli.main import command_line
from kingpost.core import SystemClock, SystemDisk, TimeOrderedIds, id_text
from kingpost.decisions.errors import RecordNotFound
from kingpost.journal import Entry, Journal
from kingpost.records import INFERENCE_FORMAT, InferenceRecord, encode_inference

ROWS = np.array([[1.5, 2.0]], "<f4")


@pytest.fixture
def identifiers(tmp_path: Path) -> list[str]:
    """Write inferences of two models and two tenants; return their ids."""
    ids = TimeOrderedIds(SystemClock())
    journal = Journal.open(tmp_path / "data/journal/data", disk=SystemDisk(), clock=SystemClock())
    made: list[str] = []
    for model, tenant in (("a.model", "default"), ("b.model", "default"), ("a.model", "acme")):
        record = InferenceRecord(
            format=INFERENCE_FORMAT, id=ids.next(), at_us=1_800_000_000_000_000, model=model,
            bundle=b"b" * 32, artefact=b"m" * 32, principal="key-1", tenant=tenant,
            trace_id="t", session=None, rows=1,
            inputs_digest=sha256(ROWS.tobytes()).digest(), scores_digest=b"s" * 32,
        )  # fmt: skip
        journal.append([Entry("inference", tenant, model, encode_inference(record))])
        made.append(id_text(record.id))
    journal.close()
    return made


def run(directory: Path, *arguments: str) -> str:
    done = CliRunner().invoke(
        command_line,
        ["--data-dir", str(directory / "data"), "inferences", *arguments],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def listed(directory: Path, *arguments: str) -> list[str]:
    found = json.loads(run(directory, "list", *arguments, "--json"))["inferences"]
    return [one["id"] for one in found]


def test_the_newest_come_first_of_a_tenant_and_a_model(
    tmp_path: Path, identifiers: list[str]
) -> None:
    first, second, of_acme = identifiers

    assert listed(tmp_path) == [second, first]
    assert listed(tmp_path, "--limit", "1") == [second]
    assert listed(tmp_path, "--model", "a.model") == [first]
    assert listed(tmp_path, "--tenant", "acme") == [of_acme]
    assert run(tmp_path, "list").splitlines()[0].startswith(f"{second}  2027-")
    assert run(tmp_path, "list", "--tenant", "nobody") == "no inferences\n"


def test_one_is_shown_with_what_rows_can_be_held_against(
    tmp_path: Path, identifiers: list[str]
) -> None:
    shown = json.loads(run(tmp_path, "show", identifiers[0], "--json"))

    assert (shown["model"], shown["principal"], shown["rows"]) == ("a.model", "key-1", 1)
    assert shown["inputs_sha256"] == sha256(ROWS.tobytes()).hexdigest()
    assert shown["bundle"] == (b"b" * 32).hex()


@pytest.mark.parametrize("which", ["of another tenant", "no id"])
def test_what_is_not_there_is_an_error(tmp_path: Path, identifiers: list[str], which: str) -> None:
    identifier = identifiers[2] if which == "of another tenant" else "nonsense"

    with pytest.raises(RecordNotFound):
        run(tmp_path, "show", identifier)
