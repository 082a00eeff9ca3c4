"""The console: pages where people watch decisions, question them and correct them."""

from kingpost.console.app import build_console
from kingpost.console.door import Door
from kingpost.console.issuer import Issuer, IssuerSettings
from kingpost.console.kept import KeptRecords
from kingpost.console.sign_in import SignIn
from kingpost.console.sources import ConsoleSources, ErasureSources

__all__ = [
    "ConsoleSources",
    "Door",
    "ErasureSources",
    "Issuer",
    "IssuerSettings",
    "KeptRecords",
    "SignIn",
    "build_console",
]
