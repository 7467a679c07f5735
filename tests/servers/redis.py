"""A Redis of one's own."""

from pathlib import Path

from scripts.lib import child

from . import port


class RedisServer:
    """Keeps nothing on disk; `stop` and `start` as if the machine went away and came back, empty."""

    def __init__(self, program: str, directory: Path, *options: str) -> None:
        self._program = program
        self._directory = directory
        self._options = options
        self.port = port.free()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        log = self._directory / "redis.log"
        with log.open("ab") as output:
            self._process = child.start(
                [self._program, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no",
                 *self._options],
                cwd=self._directory, output=output,
            )  # fmt: skip
        port.wait_for(self.port, self._process, log)

    def stop(self) -> None:
        child.end(self._process)

    def kill(self) -> None:
        """Without a word to anybody."""
        self._process.kill()
        self._process.wait()
