"""What the sources give and the loader takes."""

from __future__ import annotations

from typing import NamedTuple

from shapely.geometry.base import BaseGeometry


class Row(NamedTuple):
    """Values in the order of the table's columns, and the geometry in longitude and latitude."""

    values: tuple[object, ...]
    geometry: BaseGeometry
