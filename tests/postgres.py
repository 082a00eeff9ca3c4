"""The tests' own account at a local PostgreSQL, as `.ci/run` makes it."""

import os
import uuid
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

__all__ = ["URL", "own_schema"]

URL = os.environ.get(
    "KINGPOST_TEST_POSTGRES", "postgresql://kingpost:kingpost@127.0.0.1:5432/kingpost"
)


@contextmanager
def own_schema() -> Generator[tuple[psycopg.Connection, str]]:
    """Make a schema for one test; yield a connection that is in it, and its URL."""
    try:
        connection = psycopg.connect(URL, connect_timeout=5, autocommit=True)
    except psycopg.OperationalError as error:
        reason = f"no account for tests at PostgreSQL ({str(error).splitlines()[0]})"
        if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
            pytest.fail(f"{reason}; it is required here: .ci/run makes it")
        pytest.skip(f"{reason}; .ci/run makes it, or set KINGPOST_TEST_POSTGRES")
    schema = f"test_{uuid.uuid4().hex}"
    with connection:
        name = Identifier(schema)
        connection.execute(SQL("CREATE SCHEMA {}").format(name))
        connection.execute(SQL("SET search_path TO {}").format(name))
        try:
            yield connection, f"{URL}?options=-csearch_path%3D{schema}"
        finally:
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(name))
