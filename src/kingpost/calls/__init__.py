"""Calls to other systems; today, load on one's own server."""

from kingpost.calls.errors import ServerUnreachable
from kingpost.calls.load import Answer, LoadClient, LoadReport

__all__ = ["Answer", "LoadClient", "LoadReport", "ServerUnreachable"]
