"""Programs that a fresh machine lacks: installed with apt where that is allowed, else named for three systems."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import postgres, progress


@dataclass(frozen=True)
class Need:
    """A program, and the packages in which Debian, Fedora and Homebrew have it."""

    name: str
    debian: tuple[str, ...]
    fedora: tuple[str, ...]
    homebrew: tuple[str, ...]
    program: str | None = None  # on the PATH when the packages are installed
    reason: str = ""  # why it is optional, and what is lost without it


VENV = Need("Python's venv", (f"python3.{sys.version_info.minor}-venv",), ("python3",), ("python@3.13",))
NODE = Need("Node and npm", ("nodejs", "npm"), ("nodejs", "npm"), ("node",), "npm", "the map pages need MapLibre")
REDIS = Need("Redis", ("redis-server",), ("redis",), ("redis",), "redis-server", "tests of the shared cache")
NGINX = Need("nginx", ("nginx-light",), ("nginx",), ("nginx",), "nginx", "tests of the proxy")
# The fonts are only recommended by Chromium's package, and without one a page has no readable text.
CHROMIUM = Need("Chromium", ("chromium", "fonts-dejavu-core"), ("chromium",), ("--cask", "chromium"), "chromium",
                "tests of the map page")  # fmt: skip
PGBOUNCER = Need("PgBouncer", ("pgbouncer",), ("pgbouncer",), ("pgbouncer",), "pgbouncer", "tests of the pooler")


def postgis() -> Need:
    """PostgreSQL with PostGIS: for the newest PostgreSQL that is there already, else the system's own."""
    versions = sorted(int(path.name) for path in Path("/usr/lib/postgresql").glob("[0-9]*") if path.name.isdigit())
    debian = (f"postgresql-{versions[-1]}", f"postgresql-{versions[-1]}-postgis-3") if versions else (
        "postgresql", "postgresql-postgis")  # fmt: skip
    return Need("PostgreSQL with PostGIS", debian, ("postgresql-server", "postgis"), ("postgresql@17", "postgis"))


def have_venv() -> bool:
    # Debian takes ensurepip out of python3 and puts it into python3-venv.
    found = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True)
    return found.returncode == 0


def have(need: Need) -> bool:
    if need is VENV:
        return have_venv()
    if need.program is None:
        return postgres.programs() is not None
    return which(need.program) is not None


def which(program: str) -> str | None:
    """Where `program` is; Debian keeps servers in sbin, which an ordinary user's PATH lacks."""
    path = os.environ.get("PATH", os.defpath)
    return shutil.which(program, path=f"{path}:/usr/sbin:/usr/local/sbin")


def sentence(needs: Sequence[Need]) -> str:
    """One sentence that names what to install on Debian, Fedora and with Homebrew."""
    def words(system: str) -> str:
        return " ".join(word for need in needs for word in getattr(need, system))

    return (
        f"{' and '.join(need.name for need in needs)} must be installed first: "
        f"Debian and Ubuntu 'sudo apt install {words('debian')}', Fedora 'sudo dnf install {words('fedora')}', "
        f"Homebrew 'brew install {words('homebrew')}'."
    )


def install(needs: Sequence[Need]) -> list[Need]:
    """Install with apt what of `needs` is missing, where that is allowed. Gives what is missing afterwards."""
    missing = [need for need in needs if not have(need)]
    prefix = _privilege()
    if not missing or prefix is None:
        return missing
    names = [name for need in missing for name in need.debian]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-q"]
    try:
        progress.run("Reading the lists of Debian packages", [*apt, "update"], env=environment)
    except progress.Failed as failure:
        progress.say(f"  {failure}\n  Going on with the lists that are there.")
    try:
        progress.say(f"  Missing are {', '.join(need.name for need in missing)}: apt-get install {' '.join(names)}")
        progress.run("Installing with apt", [*apt, "install", "--no-install-recommends", *names], env=environment)
    except progress.Failed as failure:
        progress.say(f"  {failure}")
    return [need for need in missing if not have(need)]


def _privilege() -> list[str] | None:
    """What to put before apt-get: nothing for root, sudo where it asks no password, None where neither works."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None
