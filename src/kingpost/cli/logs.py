"""Log lines on standard error: the event, then its fields, one line each.

The rule: what came from outside cannot begin a line of its own; a traceback keeps its
lines, indented by a bar.
"""

import json
import logging
import sys
import time

__all__ = ["LineFormatter", "log_to_stderr"]

_OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime"}


class LineFormatter(logging.Formatter):
    """Writes a record as `time LEVEL logger event field=value`; UTC, values as JSON."""

    converter = time.gmtime
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        fields = [
            f"{name}={_shown(value)}" for name, value in vars(record).items() if name not in _OWN
        ]
        return " ".join([line.replace("\r", "\\r").replace("\n", "\\n"), *fields])

    def formatException(self, ei: object) -> str:
        text = super().formatException(ei)  # pyright: ignore[reportArgumentType]  its own argument
        return "\n".join(f"  | {line}" for line in text.splitlines())


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(handlers=[handler], level=level)


def _shown(value: object) -> str:
    plain = value if isinstance(value, str | int | float | bool | None) else str(value)
    return json.dumps(plain, ensure_ascii=False)
