"""The parser of filters is made beside the requests: neither the first tile nor the first filter waits for it."""

from __future__ import annotations

import subprocess
import sys

from scripts.lib import CHECKOUT

_WORKER = """
import sys, time
from app import create_app
from app.layers.cql2 import from_text
from app.settings import Settings

backend = create_app(Settings.of(DATABASE_URL=sys.argv[1])).extensions["flagstone"]
assert "lark" not in sys.modules, "nothing is made at import"
began = time.monotonic()
backend.open()
backend.open()
backend.catalog.catalog()
loaded = time.monotonic() - began
assert loaded > 1.5 or "lark" not in sys.modules, "the first tiles go first"
while from_text._parser.cache_info().currsize == 0:
    assert time.monotonic() - began < 20
    time.sleep(0.05)
from_text.read("a = 1")  # waits where the last of it is just being made
parsers = from_text._parser.cache_info()
backend.close()
print(parsers.currsize, parsers.misses)
"""


def test_a_worker_makes_it_once_after_its_first_tiles_and_before_its_first_filter(template: str) -> None:
    ran = subprocess.run([sys.executable, "-c", _WORKER, template], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.strip(), ran.returncode) == ("1 1", 0), ran.stderr


_COMMAND = """
import sys
from app import create_app
from app.settings import Settings

backend = create_app(Settings.of(DATABASE_URL=sys.argv[1])).extensions["flagstone"]
backend.catalog.catalog()
backend.open()
backend.close()
backend.close()
import time
time.sleep(2.5)
assert "lark" not in sys.modules
"""


def test_what_ends_before_that_never_makes_it(template: str) -> None:
    ran = subprocess.run([sys.executable, "-c", _COMMAND, template], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
