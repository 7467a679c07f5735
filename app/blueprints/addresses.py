"""Where clients reach this application."""

from __future__ import annotations

from flask import request

from ..documents.addresses import Addresses
from ..errors import RequestError
from .access import backend, prefix


def addresses() -> Addresses:
    """Absolute addresses for this request: below the public URL where one is set.

    Else below what the request names, which trusted proxies may have corrected: host, scheme and prefix, and the prefix
    of the mount. RequestError where that is no host: an address with what a client put there could lead anywhere.
    """
    public_url = backend().settings.public_url
    if public_url is None and not request.host:  # werkzeug gives none where it could not stand in an address
        raise RequestError("The Host header of the request is not the name of a host.")
    return Addresses(public_url or request.url_root.rstrip("/") + prefix())


def top() -> str:
    """The relative address of Flagstone's root, seen from this request's path.

    Pages link by it: it holds under every prefix, also one that a proxy cuts off without a word.
    """
    return "../" * (request.path.count("/") - prefix().count("/") - 1) or "./"
