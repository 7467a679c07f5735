"""Free ports, and waiting until somebody listens on one."""

import socket
import subprocess
import time
from pathlib import Path

_WAIT_SECONDS = 30.0


def free() -> int:
    """A TCP port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def wait_for(number: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when `process` takes connections at the port; RuntimeError with its log when it never does."""
    until = time.monotonic() + _WAIT_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {number}:\n{log.read_text(errors='replace')[-4000:]}")
