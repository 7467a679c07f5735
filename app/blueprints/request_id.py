"""The id by which a request is found in the logs: the proxy's, where it sent a sane one, else a new one.

Every line that Flagstone or Flask logs for a request carries it, as `request_id`: the cause of an error, its traceback
and the answer are found by one id.
"""

from __future__ import annotations

import logging
import re
import uuid

from flask import g, has_request_context, request

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id() -> str:
    """The id of this request, made when it is first needed."""
    if "flagstone_request_id" not in g:
        sent = request.headers.get("X-Request-Id", "")
        g.flagstone_request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex
    found: str = g.flagstone_request_id
    return found


def init_app(package: str) -> None:
    """Have the loggers of this package, `package` and those below it, add the id.

    Each of them: a logger's filter does not see what is logged below it. The root logger and its handlers may be
    a host application's, and stay as they are.
    """
    logging.getLogger(package).addFilter(_add_request_id)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(f"{package}."):
            logging.getLogger(name).addFilter(_add_request_id)


def _add_request_id(record: logging.LogRecord) -> bool:
    if has_request_context():
        record.request_id = request_id()
    return True
