"""A PostgreSQL of one's own: on a Unix socket only, started by this program and ended with it."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

from . import child, progress

_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian
    "/usr/pgsql-*/bin",  # packages of the PostgreSQL project for Fedora
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_START_SECONDS = 120.0  # a server that was killed first replays its log


def programs(version: int | None = None) -> Path | None:
    """The directory of PostgreSQL's programs: the newest with PostGIS, or the one of that major version."""
    found = shutil.which("postgres")
    directories = [Path(found).resolve().parent] if found else []
    for pattern in _PLACES:
        directories.extend(Path("/").glob(pattern.lstrip("/")))
    usable = {_version(path): path for path in directories if (path / "initdb").is_file() and _has_postgis(path)}
    if version is not None:
        return usable.get(version)
    return usable[max(usable)] if usable else None


def _version(directory: Path) -> int:
    answer = subprocess.run([directory / "postgres", "--version"], check=True, capture_output=True, text=True)
    number = re.search(r"\d+", answer.stdout)
    return int(number.group()) if number else 0


def _has_postgis(directory: Path) -> bool:
    prefix, major = directory.parent, _version(directory)
    shares: Iterable[Path] = (
        Path(f"/usr/share/postgresql/{major}"), prefix / "share", prefix / "share" / "postgresql",
        prefix / "share" / f"postgresql@{major}", prefix / "share" / "pgsql",
        Path(f"/opt/homebrew/share/postgresql@{major}"), Path(f"/usr/local/share/postgresql@{major}"),
    )  # fmt: skip
    if not any((share / "extension" / "postgis.control").is_file() for share in shares):
        return False
    # Debian has the SQL files and the library in two packages, of which one may be left alone.
    debian = directory.is_relative_to("/usr/lib/postgresql")
    return not debian or any((prefix / "lib").glob("postgis*.so"))


def unprivileged_user() -> str | None:
    """The account that runs PostgreSQL where this program is root, as which PostgreSQL does not start."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def own_directory(path: Path, user: str | None) -> Path:
    """`path` as a directory that only its owner may enter.

    Below a directory where everybody may write, like /var/tmp, another account may have been there first:
    then this raises `progress.Failed` instead of handing it a database.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    if path.lstat().st_uid not in (os.geteuid(), owner) or path.is_symlink():
        raise progress.Failed(f"{path} belongs to another account; remove it, or set DATABASE_URL.")
    if user:
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    path.chmod(0o700)
    return path


class Cluster:
    """A cluster in `home`, made when it is not there. Whoever may enter its socket's directory is trusted.

    `durable=False` is for tests: what it says is lost with the machine, not with the process.
    """

    superuser = "postgres"

    def __init__(self, home: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        self.user = unprivileged_user()
        self.home = own_directory(home, self.user)
        self._durable = durable
        self._settings = settings or {}
        self._data = self.home / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        # PGHOST, PGSERVICE and the like would lead psql and initdb elsewhere.
        self._env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}

    @property
    def socket(self) -> Path:
        """The directory of its socket: short, since a socket's whole path ends at 107 bytes."""
        if self._socket is None:
            self._socket = own_directory(Path(tempfile.mkdtemp(prefix="flagstone-", dir="/tmp")), self.user)
        return self._socket

    def dsn(self, database: str, role: str | None = None) -> str:
        return f"postgresql://{quote(role or self.superuser)}@/{quote(database)}?host={quote(str(self.socket), safe='')}"

    def start(self) -> None:
        """Start, and return when it takes connections. Raises `progress.Failed` with the end of its log."""
        programs_ = self._programs()
        if not self._data.is_dir():
            self._make(programs_)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
            **({} if self._durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log_path = self.home / "log"
        # NOFOLLOW: root writes here in a directory of another account.
        descriptor = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as log:
            self._process = child.start(
                [programs_ / "postgres", "-D", self._data, *flags],
                user=self.user, cwd=self.home, env=self._env, output=log,
            )  # fmt: skip
        until = time.monotonic() + _START_SECONDS
        ready = [str(programs_ / "pg_isready"), "-q", "-h", str(self.socket)]
        while subprocess.run(ready, env=self._env, cwd="/", capture_output=True).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                tail = log_path.read_text(errors="replace").splitlines()[-8:]
                raise progress.Failed(f"PostgreSQL did not start; {log_path} ends with\n    " + "\n    ".join(tail))
            time.sleep(0.05)

    def stop(self) -> None:
        """End it and its connections, keep its data. Does nothing to one that is not running."""
        if self._process is not None:
            child.end(self._process, signal.SIGINT, within_seconds=30)  # SIGINT: fast, clients are cut off
            self._process = None
        if self._socket is not None:
            shutil.rmtree(self._socket, ignore_errors=True)
            self._socket = None

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql prints for `statement`, run by the superuser; columns are parted by `|`."""
        psql = str(self._programs() / "psql")
        answer = subprocess.run(
            [psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.dsn(database), "-c", statement],
            env=self._env, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        if answer.returncode != 0:
            raise progress.Failed(f"psql failed: {answer.stderr.strip()}")
        return answer.stdout.strip()

    def _programs(self) -> Path:
        kept = self._data / "PG_VERSION"
        version = int(kept.read_text()) if kept.is_file() else None
        found = programs(version)
        if found is None and version is not None:
            raise progress.Failed(
                f"{self._data} was made by PostgreSQL {version}, which is not installed with PostGIS any more: "
                f"install it, or remove {self.home} to begin anew."
            )
        if found is None:
            raise progress.Failed("PostgreSQL with PostGIS is not installed.")
        return found

    def _make(self, programs_: Path) -> None:
        fresh = self.home / "data.new"  # renamed when whole, so that an interrupted initdb leaves nothing to start
        shutil.rmtree(fresh, ignore_errors=True)
        command = [str(programs_ / "initdb"), "-D", str(fresh), "-U", self.superuser, "--auth=trust", "--encoding=UTF8",
                   f"--locale={_locale()}", *([] if self._durable else ["--no-sync"])]  # fmt: skip
        progress.run("Making a PostgreSQL cluster", command, user=self.user, cwd=self.home, env=self._env)
        fresh.rename(self._data)


def _locale() -> str:
    """C.UTF-8 where the system has it (macOS does not): names sort the same on every machine."""
    import locale

    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"
