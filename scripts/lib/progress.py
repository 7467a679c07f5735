"""What the person at the terminal sees of steps that take longer than a second."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import child

_QUIET_SECONDS = 15.0  # between two signs of life where the output is a file, as in CI


class Failed(Exception):
    """A step ended with an error; its last lines are in the message."""


def say(text: str) -> None:
    print(text, flush=True)


def run(label: str, argv: Sequence[str | Path], *, user: str | None = None, cwd: Path | None = None,
        env: Mapping[str, str] | None = None) -> None:  # fmt: skip
    """Run a command under a line that counts its seconds. Raises `Failed` with the end of its output."""
    terminal = sys.stdout.isatty()
    began = time.monotonic()
    next_sign = began + (1.0 if terminal else _QUIET_SECONDS)
    print(f"  {label} …", end="" if terminal else "\n", flush=True)
    with tempfile.TemporaryFile() as output:
        process = child.start(argv, user=user, cwd=cwd, env=env, output=output)
        try:
            while True:
                try:
                    process.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    pass
                now = time.monotonic()
                if now >= next_sign:
                    next_sign = now + (1.0 if terminal else _QUIET_SECONDS)
                    seconds = f"  {label} … {now - began:.0f} s"
                    print("\r" + seconds if terminal else seconds, end="" if terminal else "\n", flush=True)
        except BaseException:
            # A long wait: apt, told to stop, first brings the package at hand into a sound state.
            child.end(process, within_seconds=60)
            raise
        took = f"  {label}: {time.monotonic() - began:.1f} s"
        print("\r" + took + "   " if terminal else took, flush=True)
        if process.returncode != 0:
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()[-15:]
            raise Failed(f"{label} failed (exit code {process.returncode}):\n    " + "\n    ".join(lines))
