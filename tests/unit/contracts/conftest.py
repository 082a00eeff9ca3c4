import pickle
from collections.abc import Callable

import pytest


@pytest.fixture
def copy_of() -> Callable[[object], object]:
    """Return what pickles a value and reads it again."""
    return lambda value: pickle.loads(pickle.dumps(value))
