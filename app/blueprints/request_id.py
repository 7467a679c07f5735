"""The id by which a request is found in the logs: the proxy's, where it sent a sane one, else a new one."""

from __future__ import annotations

import re
import uuid

from flask import g, request

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id() -> str:
    """The id of this request, made when it is first needed."""
    if "flagstone_request_id" not in g:
        sent = request.headers.get("X-Request-Id", "")
        g.flagstone_request_id = sent if _SANE.fullmatch(sent) else uuid.uuid4().hex
    found: str = g.flagstone_request_id
    return found
