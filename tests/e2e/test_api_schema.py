"""The API keeps to its own description: Schemathesis sends what it allows and what it forbids."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import ServedShop

EXAMPLES = 25
SCOPES = ("decide", "ingest", "records", "review", "workflows", "metrics")
# a schema cannot say which rows of a body are taken, nor which reasons can be printed
NOT_IN_THE_SCHEMA = "negative_data_rejection,positive_data_acceptance"


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    prepared_shop.copied(directory)
    return directory


@pytest.mark.parametrize(
    "arguments",
    [
        ("--include-path-regex", "^/(v1/decisions(/[^/]+)?$|health|metrics)"),
        ("--exclude-path-regex", "^/(v1/decisions(/[^/]+)?$|health|metrics)",
         "--exclude-checks", NOT_IN_THE_SCHEMA),
    ],
    ids=["decisions", "others"],
)  # fmt: skip
def test_every_answer_is_described_and_nothing_breaks(
    arguments: tuple[str, ...], shop: Path
) -> None:
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    secret = str(kingpost(shop, "keys", "create", *scopes, "--json")["secret"])
    with ServedShop(shop, secret) as server:
        done = subprocess.run(
            [Path(sys.executable).parent / "schemathesis", "run", f"{server.url}/openapi.json",
             "--header", f"Authorization: Bearer {secret}", "--checks", "all", *arguments,
             "--max-examples", str(EXAMPLES), "--seed", "7", "--no-color",
             "--generation-database", "none", "--warnings", "off", "--continue-on-failure"],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.schema_hooks"},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert server.is_ready()
        assert server.end() == 0
    assert "Traceback" not in server.log.read_text()
