"""What tests of the console share: a browser, and an installation with a past."""

import pytest

from tests.e2e.browser import chromium
from tests.e2e.console_data import ConsoleData, prepare_console

__all__ = ["chromium", "prepared"]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ConsoleData:
    """Build the installation once; tests that change it copy it."""
    return prepare_console(tmp_path_factory.mktemp("console"))
