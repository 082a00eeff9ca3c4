"""A Feast repository, read without running it, as declarations."""

from kingpost.integrations.feast.errors import FeastRepositoryTooLarge, NotAFeastRepository
from kingpost.integrations.feast.files import StoreSettings
from kingpost.integrations.feast.importer import FeastImport, import_feast
from kingpost.integrations.feast.report import FeastState, Item, Line, Reason

__all__ = [
    "FeastImport",
    "FeastRepositoryTooLarge",
    "FeastState",
    "Item",
    "Line",
    "NotAFeastRepository",
    "Reason",
    "StoreSettings",
    "import_feast",
]
