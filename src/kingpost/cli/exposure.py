"""Where an installation keeps how many answers callers have collected."""

from kingpost.cli.place import data_directory
from kingpost.core import Settings
from kingpost.serving import EXTRACTION_MIGRATIONS, SqliteExtraction
from kingpost.storage import migrate, open_database

__all__ = ["open_extraction"]


def open_extraction(settings: Settings) -> SqliteExtraction:
    """Open it, and make the file when there is none.

    Raises:
        DatabaseUnreadable, DatabaseNewer: It is no database, or a later version's.
    """
    connection = open_database(data_directory(settings).exposure)
    migrate(connection, "exposure", EXTRACTION_MIGRATIONS)
    return SqliteExtraction(connection)
