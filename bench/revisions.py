"""Older revisions of this checkout, as git has them. Only the standard library."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from scripts.lib import CHECKOUT


def exists(revision: str) -> bool:
    """Whether git knows it here."""
    return not revision.startswith("-") and _git("rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}").returncode == 0


def exported(revision: str, into: Path) -> Path:
    """The files of the revision in this directory, and nothing of git's. RuntimeError where git does not give them."""
    packed = _git("archive", "--format=tar", revision)
    if packed.returncode != 0:
        raise RuntimeError(f"git archive {revision}: {packed.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, check=False)
