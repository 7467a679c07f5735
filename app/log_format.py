"""Log lines for people or for programs, by setting."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

from .settings import Settings

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC, ISO 8601), level, logger, process, message, and request_id where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if (identifier := getattr(record, "request_id", None)) is not None:
            line["request_id"] = identifier
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        # ASCII: a terminal's encoding that lacks a letter would put an escape there which JSON does not know.
        return json.dumps(line)


class TextLines(logging.Formatter):
    """Time, level, logger, message and the request id. Control characters are shown, not sent to a terminal: a line
    break in a message cannot begin a line of its own."""

    def format(self, record: logging.LogRecord) -> str:
        message = _CONTROLS.sub(lambda found: repr(found[0])[1:-1], record.getMessage())
        identifier = getattr(record, "request_id", None)
        mark = f" [{identifier}]" if identifier else ""
        line = f"{_time(record)} {record.levelname} {record.name}[{record.process}]: {message}{mark}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def logging_config(settings: Settings) -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig`: everything to standard error."""
    formatter = JsonLines if settings.log_format == "json" else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": settings.log_level, "handlers": ["stderr"]},
        # gunicorn's own handlers would write each line a second time.
        "loggers": {"gunicorn.error": {"level": settings.log_level, "handlers": [], "propagate": True}},
    }
