"""Links as OGC API documents have them (OGC 19-072 §7.3), and relation types as the standards write them."""

from __future__ import annotations

from typing import Any

JSON = "application/json"
SCHEMA = "application/schema+json"
MVT = "application/vnd.mapbox-vector-tile"
HTML = "text/html"

_REL = "http://www.opengis.net/def/rel/ogc/1.0"
TILESETS_VECTOR = f"{_REL}/tilesets-vector"
"""OGC 20-057 /req/dataset-tilesets/landingpage and /req/geodata-tilesets/desc-links."""
TILING_SCHEME = f"{_REL}/tiling-scheme"
"""OGC 20-057 /req/tileset/description: from a tileset to its tile matrix set."""
TILING_SCHEMES = f"{_REL}/tiling-schemes"
"""OGC 17-083r4: to the list of tile matrix sets."""
CONFORMANCE = f"{_REL}/conformance"
DATA = f"{_REL}/data"
"""OGC 19-072 /req/landing-page/root-success and 20-024; OGC API Features and tipg write `conformance` and `data`."""
GEODATA = f"{_REL}/geodata"
"""OGC 17-083r4 table of link relations: from a tileset to its collection."""
DATASET = f"{_REL}/dataset"
QUERYABLES = f"{_REL}/queryables"
"""OGC 19-079r2 /req/queryables/get-queryables."""

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def link(href: str, rel: str, media_type: str, title: str, *, templated: bool = False) -> dict[str, Any]:
    """One link; `templated` where the address has variables in braces."""
    found: dict[str, Any] = {"href": href, "rel": rel, "type": media_type, "title": title}
    return found | {"templated": True} if templated else found
