"""The generated types of the TypeScript client are those of the API as it is described."""

import hashlib

from tools.client_types import TYPES, api_digest, described


def test_the_types_of_the_typescript_client_are_up_to_date() -> None:
    made_from = api_digest(TYPES.read_text())

    assert made_from == hashlib.sha256(described()).hexdigest(), "run `make client-types`"
