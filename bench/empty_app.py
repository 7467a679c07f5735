"""An empty Flask view, the yardstick: what Flask and gunicorn cost before Flagstone does anything."""

from flask import Flask


class _Nothing:
    """What `app.gunicorn_conf` opens and closes in each worker."""

    def open(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""


app = Flask(__name__)
app.extensions["flagstone"] = _Nothing()


@app.get("/")
def empty() -> str:
    """Nothing at all."""
    return ""
