"""Pages in a real Chromium: how it is started, what a page complained of, and what its map has drawn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    # WebGL without a graphics card
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN = "window.flagstoneMap?.loaded() ? window.flagstoneMap.queryRenderedFeatures().map((f) => f.sourceLayer) : []"
PATIENCE_S = 30.0


@contextmanager
def started(chromium: str, *libraries: Path) -> Iterator[Browser]:
    """A browser for pages that need these files of node_modules."""
    for library in libraries:
        if not library.is_file():
            pytest.fail(f"{library.parent.parent.name} is not installed; run `npm ci`.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page of the browser with all that it complained of and all the hosts that it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def drawn(self, *expected: str) -> set[str]:
        """The layers that are drawn, as soon as the map is complete and holds all those expected."""
        until = time.monotonic() + PATIENCE_S
        found: set[str] = set()
        while time.monotonic() < until and not (found and found >= set(expected)):
            found = set(self.page.evaluate(DRAWN))
            self.page.wait_for_timeout(50)
        return found


def until(page: Page, condition: str) -> None:
    """Wait until the JavaScript `condition` holds. Playwright's own way needs `eval`, which the page forbids."""
    latest = time.monotonic() + PATIENCE_S
    while not page.evaluate(condition):
        assert time.monotonic() < latest, condition
        page.wait_for_timeout(50)
