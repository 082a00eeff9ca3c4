"""The TypeScript client: its types hold, and its own tests pass against a real server."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kingpost.access import create_key
from kingpost.core import SystemClock
from tests.e2e.tiny_server import open_keys
from tools.client_types import CLIENT, TYPES, described, generate

NEEDED = 20


def node_is_there() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
    return int(said.stdout.lstrip("v").partition(".")[0]) >= NEEDED


pytestmark = pytest.mark.skipif(
    not node_is_there() and os.environ.get("KINGPOST_TEST_SERVICES") != "required",
    reason=f"Node {NEEDED} with npm is not installed",
)


@pytest.fixture(scope="module")
def packages() -> Path:
    """Install what the lock names."""
    if not (CLIENT / "node_modules/.bin/tsc").exists():
        run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
    return CLIENT


def run(*command: str, **variables: str) -> None:
    done = subprocess.run(
        command, cwd=CLIENT, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_committed_types_are_what_the_generator_makes(packages: Path) -> None:
    assert generate() == TYPES.read_text()
    assert hashlib.sha256(described()).hexdigest() in TYPES.read_text()


def test_the_client_compiles_and_works_against_a_real_server(
    packages: Path, tmp_path: Path
) -> None:
    run("npx", "tsc", "--noEmit")
    run("npx", "tsc", "--outDir", str(CLIENT / "dist-test"))
    scopes = ("decide", "ingest", "records")
    made = create_key(open_keys(tmp_path), SystemClock(), tenant="acme", scopes=scopes)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.tiny_server", str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    try:
        tests = str(CLIENT / "dist-test/test/client.test.js")
        run("node", "--test", tests, KINGPOST_URL=url, KINGPOST_API_KEY=made.secret)
    finally:
        with process:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
