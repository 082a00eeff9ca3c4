"""The types of the TypeScript client, generated from the description of the API.

    python -m tools.client_types

`openapi-typescript` makes them, as `clients/typescript/package-lock.json` has it; it is
installed when it is missing, which needs Node. The digest of the description stands in the
file's first line, so that a test sees without Node when it is out of date.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from kingpost.serving import describe_api
from tools.reference.small_app import APPLICATION, SERVED

__all__ = ["CLIENT", "TYPES", "api_digest", "described", "generate"]

CLIENT = Path(__file__).parents[1] / "clients/typescript"
TYPES = CLIENT / "src/api.ts"
_HEAD = "// Written by `make client-types` from the API's description; sha256 "


def described() -> bytes:
    """Return the description that the types are made from: that of the reference's application."""
    document = msgspec.json.decode(describe_api(APPLICATION, SERVED), type=dict[str, object])
    return msgspec.json.encode(document, order="deterministic")


def api_digest(types: str) -> str:
    """Return the digest of the description that generated types were made from."""
    return types.partition("\n")[0].removeprefix(_HEAD)


def generate() -> str:
    """Generate the types.

    Raises:
        subprocess.CalledProcessError: npm or the generator failed; they say why.
    """
    if not (CLIENT / "node_modules/.bin/openapi-typescript").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=CLIENT, check=True, stdout=sys.stderr)
    description = described()
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place) / "openapi.json", Path(place) / "api.ts"
        source.write_bytes(description)
        generator = CLIENT / "node_modules/.bin/openapi-typescript"
        command = [str(generator), str(source), "--output", str(target)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        types = target.read_text()
    return f"{_HEAD}{hashlib.sha256(description).hexdigest()}\n{types}"


if __name__ == "__main__":
    if shutil.which("npm") is None:
        sys.exit("client-types: needs Node 20 or newer with npm; on Debian: apt-get install npm")
    TYPES.write_text(generate())
    print(f"wrote {TYPES}")
