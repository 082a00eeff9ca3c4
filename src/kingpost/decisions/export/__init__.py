"""Records with what asked for them, as files that an auditor reads without Kingpost."""

from kingpost.decisions.export.run import Exported, export_records
from kingpost.decisions.export.selection import ExportSelection

__all__ = ["ExportSelection", "Exported", "export_records"]
