"""DBOS' messages: where all others go, and without what workflows work on."""

import logging

__all__ = ["log_as_others"]

_OF_NO_USE = (
    "Step being automatically retried",
    "Exception encountered in asynchronous workflow",
    "Exception encountered in background workflow",
    "Asyncio task cancelled",
    "Warning: ",
)
"""How messages of DBOS begin that say what is said here, what a closing worker leaves, or what
of a workflow cannot be read."""
_WITH_VALUES = ("Error serializing object", "Database connection failed", "Exception encountered")


def log_as_others() -> None:
    """Let DBOS' messages go where all others go, without what workflows were working on."""
    logger = logging.getLogger("dbos")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.propagate = True
    if _without_details not in logger.filters:
        logger.addFilter(_without_details)


def _without_details(record: logging.LogRecord) -> bool:
    """Take the error's text and place off a record; the history of the workflow has them."""
    if record.exc_info is not None and record.exc_info[0] is not None:
        record.error = record.exc_info[0].__name__
    record.exc_info = record.exc_text = None
    text = str(record.msg)
    if text.startswith(_WITH_VALUES):
        record.msg, record.args = text.partition(":")[0], None
    return not text.startswith(_OF_NO_USE)
