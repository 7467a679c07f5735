"""Attribution as text and links. MapLibre, Leaflet and OpenLayers put TileJSON's `attribution` into the page as HTML."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

_NOT_TEXT = frozenset(
    {"script", "style", "template", "textarea", "title", "noscript", "iframe", "object", "svg", "math"}
)
"""Elements whose content nobody is meant to read."""


class _TextAndLinks(HTMLParser):
    """Writes anew what it reads, so that nothing of the original's markup can get through."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._link_is_open = False
        self._hidden_in: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in _NOT_TEXT:
            self._hidden_in.append(tag)
        elif tag == "br":
            self.written.append(" ")
        elif tag == "a" and not self._hidden_in:
            self.close_link()
            target = _web_address(dict(attributes).get("href"))
            if target is not None:
                self.written.append(f'<a href="{escape(target)}">')
                self._link_is_open = True

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self.written.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden_in:
            del self._hidden_in[self._hidden_in.index(tag) :]
        elif tag == "a":
            self.close_link()

    def handle_data(self, data: str) -> None:
        if not self._hidden_in:
            self.written.append(escape(data))

    def close_link(self) -> None:
        if self._link_is_open:
            self.written.append("</a>")
            self._link_is_open = False


def text_and_links(html: str | None) -> str | None:
    """The text of `html` and its links to http and https addresses, everything else left out; None where nothing is left."""
    if not html:
        return None
    reader = _TextAndLinks()
    reader.feed(html)
    reader.close()
    reader.close_link()
    return "".join(reader.written).strip() or None


def joined(attributions: Iterable[str | None]) -> str | None:
    """Several attributions as one, each once, in their order."""
    distinct = dict.fromkeys(text for text in map(text_and_links, attributions) if text)
    return " | ".join(distinct) or None


def _web_address(href: str | None) -> str | None:
    if href is None:
        return None
    address = href.strip()
    try:
        parts = urlsplit(address)
    except ValueError:  # such as an unfinished [IPv6 address
        return None
    return address if parts.scheme in ("http", "https") and parts.netloc else None
