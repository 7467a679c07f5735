"""What a view needs to know: the backend it belongs to, below which prefix it is mounted, and who asks."""

from __future__ import annotations

from flask import Flask, current_app, has_request_context, request

from ..backend import Backend
from ..layers.identity import ANONYMOUS, Identity

OWN_NAME = "flagstone"
"""The mount of Flagstone's own application, and of a host that gives no other name."""


def backend() -> Backend:
    """The backend of the mount that serves this request, or of the application that runs this command."""
    found: Backend = _application().extensions[_mount()]
    return found


def prefix() -> str:
    """What the mount's addresses begin with: empty, or a path without a slash at its end."""
    return _application().blueprints[_mount()].url_prefix or ""


def identity() -> Identity:
    """Who asks. The database login's own rights are the only ones there are."""
    return ANONYMOUS


def _application() -> Flask:
    # Itself, and not the proxy, which costs at each use.
    return current_app._get_current_object()  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001


def _mount() -> str:
    # The outermost blueprint's name; there is none where no address of ours was found, or no request is.
    endpoint = request.endpoint if has_request_context() else None
    name, dot, _ = (endpoint or "").partition(".")
    return name if dot else OWN_NAME
