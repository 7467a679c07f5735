"""One process of a host does what one is enough for; when it ends, however it does, another one goes on."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path


class HostLock:
    """A lock between the processes of one user on one host. `name` may be any text, and may hold secrets."""

    def __init__(self, name: str) -> None:
        digest = blake2b(name.encode(), digest_size=12).hexdigest()
        self._path = Path(tempfile.gettempdir()) / f"flagstone-{os.getuid()}-{digest}.lock"

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether this process has it, while the block runs; never waits. The system takes it from a process that ends."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)
