"""Evaluation gates on the real command line: what failed is not approved, and nothing is edited."""

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import pytest

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.features import Erasure, encode_erasure
from kingpost.journal import Entry, Journal
from kingpost.models import gated_card, read_results
from kingpost.registry import Approval, ControlLog
from tests.cli_app import SOURCE, PreparedShop, kingpost

DISK, CLOCK = SystemDisk(), SystemClock()
SPLIT = ("--train-until", "2018-08-09T00:00:00Z", "--test-to", "2018-08-11T00:00:00Z")
LAST_DAY = ("--test-from", "2018-08-10T00:00:00Z", "--test-to", "2018-08-11T00:00:00Z")

TRAINER = """LightGbmTrainer(
            LightGbmParameters(num_leaves=7, rounds=20, min_data_in_leaf=10),
            search=LightGbmSearch(trials=3, rounds=(10, 30)),
            weeks=PastWeeks(Folds(2, "1d", "1d")),
        )"""
GATES = """    evaluation=kp.evaluation(
        kp.quality("average_precision", at_least=BOUND),
        kp.slice_quality("auc_roc", by="at_night", at_least=0.5),
        kp.calibrated(at_most=0.2),
        kp.fair("demographic_parity_difference", by="at_night", at_most=0.2),
        kp.latency(p99="1s"),
        kp.business(saved, at_least=-100.0),
        kp.better_than_champion("average_precision", by_at_least=-0.5),
    ),
)
"""
SAVED = '''def saved(rows):
    """What an answer saves."""
    return rows.numbers("amount") * (rows.answer & rows.label)


risk = kp.decision('''


def source(bound: float) -> str:
    """Write the shop's application with gates, whose model is searched for."""
    head, _, tail = SOURCE.partition("risk = kp.decision(")
    head = head.replace("LightGbmTrainer", "Folds, LightGbmSearch, LightGbmTrainer, PastWeeks")
    start = tail.index("LightGbmTrainer(")
    end = tail.index(",\n        label=")
    tail = tail[:start] + TRAINER + tail[end:]
    return head + SAVED + tail.removesuffix(")\n") + GATES.replace("BOUND", str(bound))


class GatedShop(NamedTuple):
    """The small shop with a bundle that runs, and a new one that was judged by gates."""

    directory: Path

    @property
    def where(self) -> DataDirectory:
        return DataDirectory(self.directory / "data")

    @property
    def control(self) -> ControlLog:
        return self.where.control_log(disk=DISK, clock=CLOCK)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that may be refused."""
        return subprocess.run(
            [sys.executable, "-m", "kingpost.cli", "--data-dir", "data", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )

    def approve(self, *more: str) -> "subprocess.CompletedProcess[str]":
        """Try to approve the newest bundle."""
        return self.run("approve", "shop_app.py", "--reason", "a test", *more, "--json")


def copied(shop: GatedShop, directory: Path) -> GatedShop:
    shutil.copytree(shop.directory, directory, dirs_exist_ok=True)
    return GatedShop(directory)


@pytest.fixture(scope="module")
def failing(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> GatedShop:
    """Train a model that fails a gate, once for all tests here; each copies it."""
    directory = tmp_path_factory.mktemp("gated")
    prepared_shop.copied(directory)
    (directory / "shop_app.py").write_text(source(0.99))
    told = kingpost(directory, "train", "shop_app.py", *SPLIT, "--json")
    assert (told["gates"], told["may_run"]) == ("failed", False)
    return GatedShop(directory)


def test_a_model_that_fails_a_gate_cannot_be_approved(failing: GatedShop) -> None:
    running = failing.control.approvals("risk")[-1].bundle

    refused = failing.approve()

    assert refused.returncode == 1
    assert "error [gates_not_passed]" in refused.stderr
    assert "average_precision at least 0.99" in refused.stderr
    assert failing.control.approvals("risk")[-1].bundle == running


def test_an_override_is_recorded_with_its_reason(failing: GatedShop, tmp_path: Path) -> None:
    shop = copied(failing, tmp_path)

    given = json.loads(shop.approve("--override", "the old one is wrong").stdout)

    (evaluated,) = shop.control.evaluations("risk")
    approval = shop.control.approvals("risk")[-1]
    assert given["override"] == approval.override == "the old one is wrong"
    assert given["results"] == approval.results == evaluated.results
    assert approval.bundle == evaluated.bundle


def test_edited_results_are_refused_with_and_without_an_override(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)
    (evaluated,) = shop.control.evaluations("risk")
    path = shop.where.artefacts(disk=DISK).root / "sha256" / evaluated.results[:2]
    file = path / evaluated.results
    file.chmod(0o600)
    file.write_bytes(file.read_bytes().replace(b'"failed"', b'"passed"'))

    for more in ((), ("--override", "never mind")):
        refused = shop.approve(*more)
        assert refused.returncode == 1
        assert "error [artefact_corrupt]" in refused.stderr


def test_an_approval_that_is_written_past_the_gates_does_not_count(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)
    bundle, running = shop.control.bundles("risk")[-1], shop.control.approvals("risk")[-1]
    written = Approval(
        format=1, decision="risk", bundle=bundle.digest, by="eve", reason="trust me", at_us=1
    )
    with Journal.open(shop.where.control, disk=DISK, clock=CLOCK) as journal:
        journal.append([Entry("approval", "", "risk", msgspec.json.encode(written))])

    assert shop.control.approvals("risk")[-1] == running
    assert "evaluation gates" in shop.control.judged_approvals("risk")[-1].problem


def test_the_card_is_made_from_the_results_and_names_their_digest(failing: GatedShop) -> None:
    (evaluated,) = failing.control.evaluations("risk")
    store = failing.where.artefacts(disk=DISK)
    content = store.get(evaluated.results)
    version = failing.control.models("risk")[-1]

    card = failing.run("models", "shop_app.py", "--card", str(version.number)).stdout

    assert f"results: sha256 `{sha256(content).hexdigest()}`" in card
    base = store.get(version.artefacts.card).decode()
    assert card == gated_card(base, read_results(content), evaluated.results)
    assert evaluated.results in store.get(evaluated.card_html).decode()


def test_rows_that_were_learned_from_are_not_judged_on(failing: GatedShop) -> None:
    day = ("--test-from", "2018-08-05T00:00:00Z", "--test-to", "2018-08-10T00:00:00Z")

    refused = failing.run("evaluate", "shop_app.py", *day)

    assert refused.returncode == 1
    assert "error [not_held_out]" in refused.stderr


def test_a_bundle_is_judged_again_on_later_rows_against_the_champion(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)

    told = kingpost(tmp_path, "evaluate", "shop_app.py", *LAST_DAY, "--by", "ada", "--json")

    numbers = cast("list[dict[str, object]]", told["numbers"])
    (gain,) = (one for one in numbers if one["kind"] == "champion")
    assert told["champion"] == shop.control.approvals("risk")[-1].bundle
    assert gain["verdict"] == "passed"
    assert cast("int", gain["rows"]) < 400  # one day of ten
    assert [one.by for one in shop.control.evaluations("risk")][-1] == "ada"


def test_a_champion_of_other_features_is_compared_by_its_own_source(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)
    fewer = source(0.1).replace("trust, at_night, to_usual]", "trust, at_night]")
    (tmp_path / "shop_app.py").write_text(fewer)

    told = kingpost(tmp_path, "train", "shop_app.py", *SPLIT, "--json")

    noted = shop.control.evaluations("risk")[-1]
    results = read_results(shop.where.artefacts(disk=DISK).get(noted.results))
    (gain,) = (one for one in results.gates if one.kind == "champion")
    assert told["champion"] == shop.control.approvals("risk")[-1].bundle
    assert gain.value is not None
    assert gain.verdict == "passed"


def test_the_same_inputs_give_the_same_bundle_in_another_installation(
    failing: GatedShop, prepared_shop: PreparedShop, tmp_path: Path
) -> None:
    prepared_shop.copied(tmp_path)
    (tmp_path / "shop_app.py").write_text(source(0.99))

    told = kingpost(tmp_path, "train", "shop_app.py", *SPLIT, "--json")

    assert told["bundle"] == failing.control.bundles("risk")[-1].digest


def test_a_model_comes_out_the_same_until_its_rows_are_others(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)

    same = kingpost(tmp_path, "reproduce", "shop_app.py", "--json")
    with Journal.open(shop.where.data, disk=DISK, clock=CLOCK) as journal:
        erased = Erasure(journal.next_offset, "customer", "c1", 1, "ada", "asked to")
        journal.append([encode_erasure("default", erased)])
    other = kingpost(tmp_path, "reproduce", "shop_app.py", "--json", code=1)

    assert same["is_equal"] is True
    assert same["reasons"] == []
    assert same["remade"] == same["model"]
    assert other["is_equal"] is False
    reasons = " ".join(cast("list[str]", other["reasons"]))
    assert "other rows" in reasons
    assert "erased" in reasons


def test_a_model_that_passes_is_approved_without_an_override(
    failing: GatedShop, tmp_path: Path
) -> None:
    shop = copied(failing, tmp_path)
    (tmp_path / "shop_app.py").write_text(source(0.1))

    before = shop.run("train", "shop_app.py", *SPLIT, "--json")
    approved = shop.approve("--override", "not needed")

    assert json.loads(before.stdout)["gates"] == "passed"
    assert approved.returncode == 0
    approval = shop.control.approvals("risk")[-1]
    assert approval.results == shop.control.evaluations("risk")[-1].results
    assert approval.override == ""
