"""The example of personal content does what its first lines say."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "personal_claims.py"


def test_the_example_erases_one_of_two(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE], cwd=tmp_path, check=True, capture_output=True, text=True
    )

    stored, _, after = done.stdout.partition("before:")
    assert "Rome" not in stored
    assert "IT60" not in done.stdout
    assert after.splitlines()[-2:] == ["  [erased]", "  I am Bob and I fell in Rome"]
