"""The image is built and runs as nobody special; where there is a container daemon."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TAG = "kingpost:test"


def daemon_is_there() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not daemon_is_there(), reason="no container daemon answers")


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_is_built_and_its_command_runs_on_a_read_only_file_system() -> None:
    docker("build", "-f", str(ROOT / "deploy/Dockerfile"), "-t", TAG, str(ROOT))
    locked = ("--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")

    assert "kingpost" in docker("run", *locked, TAG, "--version")
    assert docker("run", *locked, "--entrypoint", "id", TAG, "-u").strip() == "10001"
    written = docker("run", *locked, TAG, "keys", "create", "--scope", "metrics", "--json")
    assert "secret" in written
