"""Records with what asked for them, as files that an auditor reads without Kingpost."""

from kingpost.decisions.export.run import Exported, export_records

__all__ = ["Exported", "export_records"]
