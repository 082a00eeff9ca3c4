"""The reference of the watched stream, made once."""

import pytest

from kingpost.monitoring import Profile
from tests.watched import profile


@pytest.fixture(scope="session")
def reference() -> Profile:
    return profile()
