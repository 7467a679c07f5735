"""Processes that end with the program that started them, whatever ends it."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _end_with_parent() -> Callable[[], None] | None:
    """What Linux runs in a new child so that even a SIGKILL of its parent ends it; elsewhere nothing."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: a forked child must not load libraries

    def ask() -> None:
        # SIGINT: for PostgreSQL it means a fast shutdown, where SIGTERM waits for the clients to leave.
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    return ask


def start(
    argv: Sequence[str | Path],
    *,
    user: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, so that Ctrl-C in the terminal reaches only this program.

    It then ends its children in the right order: the server before its database. `user` is an account
    to become (root only); `output` takes both streams, which are this program's own without it.
    """
    return subprocess.Popen(
        [str(part) for part in argv],
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=_end_with_parent(),
    )


def end(process: subprocess.Popen[bytes], with_signal: int = signal.SIGTERM, within_seconds: float = 10) -> None:
    """Ask `process` to end, and kill it, and its group, when it has not in that time."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            if os.getpgid(process.pid) == process.pid:  # from start(), which makes a group of its own
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP came: everything that was started has to end."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number


def raise_when_stopped() -> None:
    """Turn the three signals that mean "stop" into `Stopped`, once: what then cleans up is not disturbed.

    A shell starts `command &` with SIGINT ignored, which a handler of our own replaces on purpose.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
