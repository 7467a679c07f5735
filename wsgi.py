"""The WSGI application that gunicorn and the flask command find."""

import sys

from app import create_app
from app.errors import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    sys.exit(f"flagstone: {error}")

# gunicorn opens it behind its fork; `flask run` and other servers do so with the first request.
app.before_request(app.extensions["flagstone"].open)
