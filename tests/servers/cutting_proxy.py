"""A TCP proxy able to cut the line, or to fall silent, so that recovery is tested and not hoped for."""

import socket
import threading
from contextlib import suppress

from . import postgres


class CuttingProxy:
    """Listens on 127.0.0.1 and passes bytes both ways. A target host that begins with / is PostgreSQL's socket directory."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self._target = (target_host, target_port)
        self._lock = threading.Lock()
        self._lines: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._speaks = threading.Event()
        self._speaks.set()
        self.host, self.port = "127.0.0.1", 0
        self.start()

    def dsn(self, dsn: str) -> str:
        """The URL of the same database through this proxy."""
        return postgres.url(dsn, host=self.host, port=self.port)

    def start(self) -> None:
        """Listen, at the same port as before."""
        self._listener = socket.create_server((self.host, self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def stop(self) -> None:
        """Refuse new connections and cut those there are, as a database that is gone."""
        if self._listener is not None:
            # shutdown wakes the thread in accept, which close alone does not
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()
        self.speak()

    def silence(self) -> None:
        """Pass nothing on, and keep every connection open: new ones are taken too."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass on what was held back, and what comes."""
        self._speaks.set()

    def cut(self) -> None:
        """Cut the connections there are; new ones pass."""
        with self._lock:
            lines, self._lines = self._lines, set()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = self._connect()
            except OSError:
                near.close()
                continue
            with self._lock:
                self._lines |= {near, far}
            threading.Thread(target=self._carry, args=[near, far], daemon=True).start()

    def _connect(self) -> socket.socket:
        host, number = self._target
        if not host.startswith("/"):
            return socket.create_connection((host, number), timeout=None)
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(f"{host}/.s.PGSQL.{number}")
        except OSError:
            far.close()
            raise
        return far

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        """Both directions of one connection; closes both ends when either is done."""
        back = threading.Thread(target=self._pump, args=[far, near], daemon=True)
        back.start()
        self._pump(near, far)
        back.join()
        with self._lock:
            self._lines -= {near, far}
        near.close()
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._speaks.wait()
                sink.sendall(data)
        except OSError:
            return  # cut, on purpose or by an end: the other direction ends too
        finally:
            for line in (source, sink):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
