"""Every way around an approval that somebody with the disk may try, on the real command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import expect

from kingpost.core import SystemClock, SystemDisk
from kingpost.decisions import DataDirectory
from kingpost.journal import Entry, Journal, scan
from kingpost.registry import Approval, Approvers, ReleaseEvent, SigningKey
from tests.cli_app import PreparedShop, kingpost
from tests.e2e.browser import Chromium
from tests.served_shop import ServedShop, order

DISK, CLOCK = SystemDisk(), SystemClock()


class Shop:
    """The small application, whose approvals have to be signed by ada or bob."""

    def __init__(self, prepared: PreparedShop, directory: Path, *, author: str = "carol") -> None:
        self.directory = directory
        self.secret = prepared.copied(directory)
        self.where = DataDirectory(directory / "data")
        self.control = self.where.control_log(disk=DISK, clock=CLOCK)
        self.bundle = self.control.bundles("risk")[-1].digest
        self.author = self.control.models("risk")[-1].by
        self.keys = {name: self.key_of(name) for name in ("ada", "bob", self.author)}
        named = ";".join(f"{name}={key.public}" for name, key in self.keys.items())
        self.settings = directory / "kingpost.toml"
        self.settings.write_text(f'data_dir = "data"\napprovers = "{named}"\n')

    def key_of(self, name: str) -> SigningKey:
        """Make somebody's key."""
        kingpost(
            self.directory, "approvers", "new-key", name, f"{name}.pem", "--no-passphrase", "--json"
        )
        assert (self.directory / f"{name}.pem").stat().st_mode & 0o777 == 0o600
        return SigningKey.read(self.directory / f"{name}.pem", lambda: "")

    def approve(self, by: str, key: str = "") -> "subprocess.CompletedProcess[str]":
        """Approve the newest bundle as somebody, with somebody's key."""
        signed = ("--key", f"{key}.pem") if key else ()
        return self.run(
            "approve", "shop_app.py", "--by", by, "--reason", "a test", *signed, "--json"
        )

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a command that is to end."""
        return subprocess.run(
            [sys.executable, "-m", "kingpost.cli", *arguments],
            cwd=self.directory,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def append(self, *approvals: Approval) -> None:
        """Write approvals into the control log, as whoever holds the disk can."""
        with Journal.open(self.where.control, disk=DISK, clock=CLOCK) as journal:
            for one in approvals:
                body = msgspec.json.encode(one, order="sorted")
                journal.append([Entry("approval", "", "risk", body)])

    def cut_off(self, kind: str) -> None:
        """Cut the last entry off the control log, which is of a kind, as if it had never been."""
        *_, last = scan(self.where.control, disk=DISK)
        assert last.entries[0].kind == kind
        with (self.where.control / f"{last.place.segment:020d}.log").open("r+b") as segment:
            segment.truncate(last.place.byte)

    def counting(self) -> tuple[Approval, ...]:
        """Return the approvals that count, as the settings say."""
        named = ";".join(f"{name}={key.public}" for name, key in self.keys.items())
        where = DataDirectory(self.directory / "data", approvers=Approvers.read(named))
        return where.control_log(disk=DISK, clock=CLOCK).approvals("risk")

    def refusal(self, **environment: str) -> str:
        """Start the server, which has to refuse; return why."""
        done = self.run("run", "shop_app.py", "--port", "0", "--no-watch", **environment)
        assert done.returncode == 1, done.stdout
        return done.stderr


@pytest.fixture
def shop(prepared_shop: PreparedShop, tmp_path: Path) -> Shop:
    return Shop(prepared_shop, tmp_path)


def test_only_an_approval_that_one_of_them_signed_counts(shop: Shop) -> None:
    # the unsigned approval from before they were named counts no more
    assert "bundle_not_approved" in shop.refusal()
    for by, key in (("ada", ""), ("ada", "bob"), ("mallory", "ada"), (shop.author, shop.author)):
        done = shop.approve(by, key)
        assert done.returncode == 1
        assert "approval_refused" in done.stderr
    assert "bundle_not_approved" in shop.refusal()

    assert shop.approve("ada", "ada").returncode == 0
    listed = kingpost(shop.directory, "models", "list", "shop_app.py", "--json")
    with ServedShop(shop.directory, shop.secret, "--no-watch") as server:
        assert server.decide(order("one")).status_code == 200
        assert server.end() == 0
    assert "is no approver" in json.dumps(listed) or "not signed" in json.dumps(listed)


def test_what_is_written_into_the_log_by_hand_does_not_count(shop: Shop) -> None:
    plain = Approval(
        format=2, decision="risk", bundle=shop.bundle, by="ada", reason="x", at_us=1, number=1
    )
    log = "0" * 64  # of another installation
    shop.append(
        plain,
        shop.keys["bob"].signed(plain, log),
        shop.keys["ada"].signed(plain, log),
        SigningKey.make().signed(plain, log),
    )

    assert "bundle_not_approved" in shop.refusal()


def test_an_old_approval_that_is_written_again_does_not_come_back(shop: Shop) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    (first,) = shop.counting()
    source = shop.directory / "shop_app.py"
    source.write_text(source.read_text().replace("< 6", "< 7"))
    kingpost(shop.directory, "train", "shop_app.py", "--by", "carol", "--json")
    assert shop.approve("bob", "bob").returncode == 0
    newest = shop.counting()[-1]
    shop.append(first)

    assert newest.bundle != first.bundle
    assert shop.counting()[-1] == newest


def test_an_edited_entry_of_the_log_is_damage(shop: Shop) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    *_, newest = scan(shop.where.control, disk=DISK)
    for segment in sorted(shop.where.control.glob("*.log")):
        held = segment.read_bytes()
        body = newest.entries[0].body
        if body in held:
            at = held.index(body) + body.index(b'"ada"') + 1
            segment.write_bytes(held[:at] + b"eve" + held[at + 3 :])

    # the last group of a log looks torn when it is edited; the tree says that it was there
    assert "journal_corrupt" in (said := shop.refusal()) or "control_log_altered" in said


def test_the_last_approval_cut_off_the_log_brings_the_one_before_not_back(shop: Shop) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    source = shop.directory / "shop_app.py"
    plain = source.read_text()
    source.write_text(plain.replace("< 6", "< 7"))
    kingpost(shop.directory, "train", "shop_app.py", "--by", "carol", "--json")
    assert shop.approve("bob", "bob").returncode == 0
    kept = shop.directory / "kept.txt"
    kingpost(shop.directory, "checkpoint", "--log", "control", "--out", str(kept), "--json")
    shop.cut_off("approval")
    source.write_text(plain)  # what the first approval let run

    assert "control_log_altered" in shop.refusal()
    assert "tree_ahead_of_journal" in shop.approve("ada", "ada").stderr
    found = shop.run("verify", "data", "--checkpoint", str(kept), "--json")
    assert found.returncode == 1
    assert "the journal ends before this commit" in found.stdout

    # with the tree gone too nothing on the disk tells: whoever kept a checkpoint does
    shutil.rmtree(shop.directory / "data" / "tree" / "control")
    shop.settings.write_text(shop.settings.read_text() + f'control_checkpoint = "{kept}"\n')
    assert "control_log_altered" in shop.refusal()
    assert "settings file only" in shop.refusal(KINGPOST_CONTROL_CHECKPOINT="")


def test_a_rollback_cut_off_the_log_lets_the_bundle_not_run_again(shop: Shop) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    with ServedShop(shop.directory, shop.secret, "--no-watch") as server:
        assert server.decide(order("one")).status_code == 200
        assert server.end() == 0
    event = ReleaseEvent(
        format=1,
        decision="risk",
        release="1",
        step="rolled_back",
        bundle=shop.bundle,
        champion=shop.bundle,
        by="bob",
        reason="it was wrong",
        at_us=CLOCK.now_us(),
    )
    assert shop.control.release("risk", lambda _: event) == event
    shop.cut_off("release")

    assert "control_log_altered" in shop.refusal()


def test_the_environment_says_nothing_of_approvers(shop: Shop) -> None:
    mine = SigningKey.make().public

    assert "settings file only" in shop.refusal(KINGPOST_APPROVERS=f"eve={mine}")
    assert "settings file only" in shop.refusal(KINGPOST_APPROVERS="")
    assert "settings file only" in shop.refusal(KINGPOST_OWN_APPROVALS="allowed")


def test_an_edited_artefact_is_refused_and_a_swapped_one_is_not_run(shop: Shop) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    model = shop.control.models("risk")[-1].artefacts.onnx
    (path,) = (shop.directory / "data" / "artefacts").rglob(f"*{model[2:]}*")
    with ServedShop(shop.directory, shop.secret, "--no-watch") as server:
        before = server.decide(order("same", 3)).json()["confidence"]
        held = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
        source = shop.directory / "shop_app.py"
        plain = source.read_text()
        source.write_text(plain.replace("< 6", "< 7"))
        # what was loaded goes on answering, to the bit
        again = server.decide(order("also", 3)).json()["confidence"]
        assert server.end(signal.SIGTERM) == 0

    assert before == again
    assert "bundle_mismatch" in shop.refusal()
    source.write_text(plain)
    assert "model bytes differ" in shop.refusal()


def test_the_console_shows_what_does_not_count_and_why(shop: Shop, chromium: Chromium) -> None:
    assert shop.approve("ada", "ada").returncode == 0
    key = str(kingpost(shop.directory, "keys", "create", "--scope", "records", "--json")["secret"])
    with ServedShop(shop.directory, key, "--no-watch") as server:
        with chromium.window(server.url) as window:
            window.sign_in(key)
            window.open("/approvals")
            window.page.get_by_text("Every approval").click()
            history = window.page.get_by_role("listitem").filter(has_text="approved")
            expect(history.filter(has_text="ada")).not_to_contain_text("does not count")
            expect(history.filter(has_text="does not count")).to_have_count(1)
        assert server.end() == 0
