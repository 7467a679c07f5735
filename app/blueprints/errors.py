"""The table from our exceptions to HTTP status codes, and the one shape of an error: RFC 9457 problem documents."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from .. import errors
from ..metrics import TILES_FAILED
from .request_id import request_id

log = logging.getLogger(__name__)

STATUS: dict[type[errors.FlagstoneError], HTTPStatus] = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.BadParameter: HTTPStatus.BAD_REQUEST,
    errors.RequestError: HTTPStatus.BAD_REQUEST,
    errors.AccessDenied: HTTPStatus.FORBIDDEN,
    errors.TileTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ConfigurationError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueryFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.FlagstoneError: HTTPStatus.INTERNAL_SERVER_ERROR,
}


_KEPT = frozenset({"allow", "retry-after", "www-authenticate"})
"""Headers of an exception that say what a client may do next."""


def init_app(app: Flask | Blueprint) -> None:
    """Every error of this application, or below this blueprint, leaves as a problem document."""
    app.register_error_handler(errors.FlagstoneError, explained)
    # Not `Exception`: that would turn werkzeug's 404 into a 500. Flask hands what nobody foresaw over as a 500.
    app.register_error_handler(HTTPException, _of_werkzeug)


def explained(error: errors.FlagstoneError) -> Response:
    """The problem document of one of our exceptions."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    members: dict[str, Any] = {}
    headers = {}
    if isinstance(error, errors.NotFound) and error.nearest:
        members["nearest"] = list(error.nearest)
    if isinstance(error, errors.BadParameter):
        members["parameter"] = error.parameter
    if isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    said = str(error)
    # Names of databases, logins and schemas are for who runs Flagstone, and stay in the log.
    detail = "The database cannot be served; the log says why." if isinstance(error, errors.ConfigurationError) else said
    return problem(status, detail, members, headers, logged=said)


def _of_werkzeug(error: HTTPException) -> Response | HTTPException:
    if error.response is not None:
        return error  # a host application's, complete as it is
    status = HTTPStatus(error.code or 500)
    headers = {name: value for name, value in error.get_headers() if name.lower() in _KEPT}
    detail = (error.description or "") if status < 500 else "Flagstone failed; its log says why."
    return problem(status, detail, {}, headers, logged=detail)


def problem(
    status: HTTPStatus, detail: str, members: dict[str, Any], headers: dict[str, str], *, logged: str
) -> Response:
    """One problem document; it is never stored by a cache, and its request id stands in the log with `logged`."""
    identifier = request_id()
    endpoint = request.endpoint or ""
    if status >= 500 and endpoint.endswith((".tile", ".collection_tile")):
        TILES_FAILED.inc()
    # A probe that asks too early is no fault; why the catalog cannot be read has a line of its own.
    is_fault = status >= 500 and not endpoint.endswith(".health.ready")
    level = logging.ERROR if is_fault else logging.INFO
    # The path only: a query string may carry a key.
    log.log(level, "%s %s: %d %s", request.method, request.path[:200], status, logged)
    document = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **members}
    document["request_id"] = identifier
    everywhere = {"Cache-Control": "no-store", "X-Request-Id": identifier}
    body = json.dumps(document, ensure_ascii=False)
    return Response(body, status, {**everywhere, **headers}, mimetype="application/problem+json")
