"""What a view needs to know: the backend it belongs to, and who asks."""

from __future__ import annotations

from flask import current_app

from ..backend import Backend
from ..layers.identity import ANONYMOUS, Identity


def backend() -> Backend:
    """The backend of the application that serves this request or runs this command."""
    found: Backend = current_app.extensions["flagstone"]
    return found


def identity() -> Identity:
    """Who asks. The database login's own rights are the only ones there are."""
    return ANONYMOUS
