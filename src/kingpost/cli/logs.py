"""Log lines on standard error: the event, then its fields, one line each; for people or as JSON.

The rule: what came from outside cannot begin a line of its own. As text a traceback keeps its
lines, indented by a bar; as JSON it is a field.
"""

import json
import logging
import sys
import time
from datetime import UTC, datetime

__all__ = ["JsonFormatter", "LineFormatter", "log_to_stderr"]

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


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object a line: `time`, `level`, `logger`, `event`, its fields.

    A field that would hide one of these is called `field_<name>`.
    """

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _OWN:
                line[f"field_{name}" if name in line else name] = _plain(value)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)


def log_to_stderr(log_format: str = "text", level: int = logging.WARNING) -> None:
    """Send the logs of this process to standard error.

    Args:
        log_format: `text`, `json`, or `auto`: text for a terminal, else JSON.
    """
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if is_json else LineFormatter())
    logging.basicConfig(handlers=[handler], level=level)


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _shown(value: object) -> str:
    return json.dumps(_plain(value), ensure_ascii=False)
