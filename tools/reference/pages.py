"""Which reference pages there are, and what writes each."""

from collections.abc import Mapping
from pathlib import Path

from tools.reference.commands import describe_commands
from tools.reference.errors import describe_errors
from tools.reference.http_api import describe_http_api
from tools.reference.python_api import describe_python_api
from tools.reference.settings import describe_settings

__all__ = ["REFERENCE", "ROOT", "reference_pages"]

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"

_WRITERS = {
    "cli.md": describe_commands,
    "errors.md": describe_errors,
    "http-api.md": describe_http_api,
    "python-api.md": describe_python_api,
    "settings.md": describe_settings,
}


def reference_pages() -> Mapping[str, str]:
    """Return the text of every page by its file name."""
    return {name: write() for name, write in _WRITERS.items()}
