"""Every setting: its name in the environment, type, default, unit and a line of help.

Each file here holds the settings of one subject; `loading` reads and refuses. Nothing else in Flagstone reads the
environment. `.env.example`, `flask config show` and the docs are held to these tables by tests.
"""

from .cache import CacheRule, host_and_port
from .database import SILENCE_S
from .loading import Settings

__all__ = ["SILENCE_S", "CacheRule", "Settings", "host_and_port"]
