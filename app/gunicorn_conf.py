"""gunicorn's configuration: `gunicorn -c python:app.gunicorn_conf wsgi:app`."""

from __future__ import annotations

import atexit
import ctypes
import logging
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]  # it ships no types

from .errors import ConfigurationError
from .gunicorn_worker import Worker
from .log_format import logging_config
from .settings import Settings

_M_ARENA_MAX = -8
"""Its name in glibc's malloc.h."""


def _load() -> Settings:
    notices = logging.getLogger(Settings.__module__)
    # There is no log yet. The application says the same when it loads its settings, once and in the log's format.
    notices.setLevel(logging.ERROR)
    try:
        return Settings.load()
    except ConfigurationError as error:
        sys.exit(f"flagstone: {error}")
    finally:
        notices.setLevel(logging.NOTSET)


def _address(settings: Settings) -> str:
    if settings.bind.startswith("unix:"):
        return settings.bind
    host = f"[{settings.bind}]" if ":" in settings.bind and not settings.bind.startswith("[") else settings.bind
    return f"{host}:{settings.port}"


def _share_counters() -> None:
    """Have the workers' counters added up through files in a folder: one that is given, else one of this process.

    prometheus_client decides when it is imported whether it counts in files, so this comes before the application.
    """
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if given:
        if not os.access(given, os.W_OK | os.X_OK) or not Path(given).is_dir():
            sys.exit("flagstone: PROMETHEUS_MULTIPROC_DIR: there is no such folder, or it cannot be written to")
        return
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="flagstone-metrics-")
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # the workers inherit this, and end first
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def _share_heap() -> None:
    """Have glibc, where it is the C library, keep one heap for all threads.

    It makes one for each, and each keeps the most that an answer of its thread ever took. Python's threads take turns anyway.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    except AttributeError:
        logging.getLogger(__name__).debug("another C library than glibc keeps its own count of heaps")


class logger_class(Logger):  # type: ignore[misc]  # noqa: N801 - gunicorn's name for it; it ships no types
    """The proxy keeps the access log. gunicorn would gather the parts of a line for each request and then drop them."""

    access_log_enabled = False


_settings = _load()
_share_counters()
_share_heap()

bind = _address(_settings)
workers = _settings.web_concurrency
threads = _settings.threads
# One thread a request: psycopg and the C libraries below it release the interpreter while they wait or compute.
worker_class = Worker
# The application is made once, before the fork: a wrong setting stops the start, and the workers share its memory.
# It opens nothing until `post_worker_init`.
preload_app = True
# nginx keeps its connections open, for 60 s; closing first would race with its next request.
keepalive = 75
# A tile that is being made when the signal comes is finished.
graceful_timeout = math.ceil(_settings.longest_tile_s) + 3
timeout = 60
# The longest request line that gunicorn allows: column lists go into the address.
limit_request_line = 8190
# The heartbeat file of a worker must not wait for a busy disk; gunicorn makes it as mkstemp does.
_memory = "/dev/shm"  # noqa: S108  # it is memory, and nothing of ours is ever read from it
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None
control_socket_disable = True
# Forwarded headers are judged in one place, by FLAGSTONE_TRUSTED_PROXIES; gunicorn would believe 127.0.0.1, and
# whoever comes through a Unix socket.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
logconfig_dict = logging_config(_settings)


def post_worker_init(worker: Any) -> None:
    """Connect and read the catalog before the first request comes. This runs after the fork."""
    worker.wsgi.extensions["flagstone"].open()


def worker_exit(_server: Any, worker: Any) -> None:
    """Close what the worker opened."""
    application = getattr(worker, "wsgi", None)  # it has none when it was stopped before it had begun
    if application is not None:
        application.extensions["flagstone"].close()


def child_exit(_server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that is gone."""
    from .metrics import forget_worker

    forget_worker(worker.pid)
