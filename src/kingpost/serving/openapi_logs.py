"""The routes of the logs, as the API's description has them."""

from kingpost.serving.log_routes import LogsDocument
from kingpost.serving.openapi_review import Described

__all__ = ["LOG_OPERATIONS", "LOG_PIECE_CODES"]

LOG_PIECE_CODES = ("log_piece_not_found", "internal_error")

LOG_OPERATIONS = (
    Described(
        "/v1/logs",
        "get",
        "logs",
        "List the logs that can be proved: their newest checkpoints and their keys",
        LogsDocument,
        ("internal_error",),
    ),
)
