"""What comments and the layers file say, laid over the layers that were found in the database.

The order, weakest first: Flagstone's defaults, settings, the database's comment, the layers file; a request's own
parameters come after all of them, and can only narrow what `filter` and `columns` leave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..layers.bounds import Bounds
from ..layers.composite import Composite
from ..layers.layer import Layer, RowLayer
from ..layers.layer_entry import NARROWING, LayerEntry
from ..layers.layers_file import CompositeEntry, LayersFile, MemberEntry, entry_of
from ..layers.names import nearest
from ..layers.relation import RelationLayer
from ..settings import Settings
from .catalog import Catalog, Rejected
from .functions import KIND
from .narrowing import Narrowing, Unusable
from .overviews.reading import SUPERSEDED, Found, attached

_MOST_MISSING = 20
"""Of a file that belongs to another database, so many layers are told one by one."""


def configured(
    catalog: Catalog, file: LayersFile, where: str, settings: Settings, *, complete: bool, overviews: Collection[Found] = ()
) -> Catalog:
    """The catalog with everything that is said of its layers, and their overviews. `where` is how messages call the file.

    `complete` is false for a catalog of some layers only: what the file names beside them is not missing then, and
    composites are not made.
    """
    if not file.layers and not file.composites and all(layer.comment is None for layer in catalog.layers):
        layers, faults = attached(catalog.layers, overviews)
        notices = (*catalog.notices, *_unserved(faults))
        return replace(catalog, layers=layers, overview_faults=faults, notices=notices) if overviews else catalog
    overlay = _Overlay(catalog, file, where, settings)
    # Filter and rank decide whether an overview fits; a composite's members are copies of layers.
    layers, faults = attached(overlay.layers(), overviews)
    composites: tuple[Composite, ...] = ()
    if complete:
        composites = overlay.composites({layer.id: layer for layer in layers})
        overlay.note_missing()
    return replace(
        catalog,
        layers=layers,
        rejected=tuple(sorted([*catalog.rejected, *overlay.rejected], key=lambda left: (left.schema, left.name, left.column or ""))),
        notices=(*catalog.notices, *dict.fromkeys(overlay.notices), *(_unserved(faults) if complete else ())),
        composites=composites,
        hidden=tuple(overlay.hidden),
        overview_faults=faults,
    )


def _unserved(faults: Mapping[int, str]) -> list[str]:
    """Whoever built an overview must not find out by slow tiles that it is not served any more."""
    return [
        f"Overview {number} is not served: {fault}. `flask overviews status` names its layer."
        for number, fault in sorted(faults.items())
        if fault != SUPERSEDED
    ]


class _Overlay:
    """One pass over a catalog's layers."""

    def __init__(self, catalog: Catalog, file: LayersFile, where: str, settings: Settings) -> None:
        self._found = {layer.id: layer for layer in catalog.layers}
        self._file = file
        self._where = where
        self._settings = settings
        self.rejected: list[Rejected] = []
        self.notices: list[str] = []
        self._narrowing = Narrowing(settings.max_tile_extent, self.notices)
        self.hidden: list[str] = []

    def layers(self) -> tuple[Layer, ...]:
        return tuple(made for layer in self._found.values() if (made := self._layer(layer)) is not None)

    def _layer(self, layer: Layer) -> Layer | None:
        entry = entry_of(self._file, layer)
        if entry is None:
            return layer
        comment = layer.comment
        who = f"the comment of {layer.id}" if entry is comment else f'{self._where}: [layers."{layer.id}"]'
        if entry.hidden:
            self.hidden.append(layer.id)
            self._reject(layer, "hidden by its comment" if comment is not None and comment.hidden else "hidden by the layers file")
            return None
        try:
            self._note_unusable(layer, entry)
            return self._laid_over(layer, entry, who)
        except Unusable as reason:
            self.notices.append(f"{who}: {reason}; the layer is not served")
            self._reject(layer, f"its configuration cannot be used: {reason}")
            return None

    def _note_unusable(self, layer: Layer, entry: LayerEntry) -> None:
        """Members of the comment that the file does not overrule: those that keep something from the map must be right."""
        unusable = [name for name in (layer.comment.unusable if layer.comment else ()) if name not in entry.said]
        if NARROWING.intersection(unusable):
            raise Unusable(f"its comment has an unusable value for {', '.join(unusable)}")
        if unusable:
            self.notices.append(f"the comment of {layer.id}: the value of {', '.join(unusable)} cannot be used")

    def _laid_over(self, layer: Layer, entry: LayerEntry, who: str) -> Layer:
        """The layer as the entry has it. Texts that are there and empty mean that there is none."""
        changes: dict[str, Any] = {}
        for name in LayerEntry.WORDS:
            if (text := getattr(entry, name)) is not None:
                changes[name] = text or None
        if entry.bounds is not None:
            changes["declared_bounds"] = Bounds(*entry.bounds)
        if entry.geometry is not None:
            changes["geometry"] = self._geometry(layer, entry.geometry)
        return self._narrowing.narrowed(replace(layer, **changes), entry, who, entry.id)

    def _geometry(self, layer: Layer, name: str) -> Any:
        if isinstance(layer, RowLayer) and layer.geometry.name == name:
            return layer.geometry
        if not isinstance(layer, RelationLayer):
            raise Unusable("geometry: only a table or view has other geometry columns")
        for other in self._found.values():
            if isinstance(other, RelationLayer) and other.oid == layer.oid and other.geometry.name == name:
                return other.geometry
        raise Unusable(f"geometry: there is no geometry column {name!r} that could be drawn")

    def composites(self, layers: Mapping[str, Layer]) -> tuple[Composite, ...]:
        made = []
        for name, entry in self._file.composites.items():
            if name in layers:
                self.notices.append(f'{self._where}: [composites."{name}"] has the name of a layer, which goes first')
            members = tuple(self._members(name, entry, layers))
            if members:
                bounds = None if entry.bounds is None else Bounds(*entry.bounds)
                made.append(Composite(name, members, entry.title, entry.description, entry.attribution, bounds))
            else:
                self.notices.append(f'{self._where}: [composites."{name}"] has no layer that could be served')
        return tuple(made)

    def _members(self, name: str, entry: CompositeEntry, layers: Mapping[str, Layer]) -> Iterator[tuple[str, Layer]]:
        for place, member in enumerate(entry.layers):
            who = f'{self._where}: [composites."{name}"] layers[{place}] ({member.layer})'
            layer = layers.get(member.layer)
            if layer is None:
                self.notices.append(f"{who}: {self._why_missing(member.layer)}; the composite goes without it")
                continue
            try:
                yield member.name or layer.id, self._member(layer, member, entry, who)
            except Unusable as reason:
                self.notices.append(f"{who}: {reason}; the composite goes without it")

    def _member(self, layer: Layer, member: MemberEntry, composite: CompositeEntry, who: str) -> Layer:
        made = self._narrowing.narrowed(layer, member, who, whole=self._found[layer.id])
        # A composite's own zooms narrow those of its members, they do not widen them.
        options = made.options
        options = replace(options, minzoom=_most(options.minzoom, composite.minzoom), maxzoom=_least(options.maxzoom, composite.maxzoom))
        return replace(made, options=options)

    def note_missing(self) -> None:
        missing = [layer_id for layer_id in self._file.layers if layer_id not in self._found]
        for layer_id in missing[:_MOST_MISSING]:
            self.notices.append(f'{self._where}: [layers."{layer_id}"]: {self._why_missing(layer_id)}')
        if len(missing) > _MOST_MISSING:
            self.notices.append(f"{self._where}: {len(missing) - _MOST_MISSING} more layers of it are not there")

    def _why_missing(self, layer_id: str) -> str:
        if layer_id in self._found:
            return "that layer is hidden or cannot be served"
        near = nearest(layer_id, self._found)
        return f"there is no such layer{f'; {near[0]} is one' if near else ''}"

    def _reject(self, layer: Layer, reason: str) -> None:
        kind = layer.kind if isinstance(layer, RelationLayer) else KIND
        column = layer.geometry.name if isinstance(layer, RelationLayer) and not layer.is_first_geometry else None
        self.rejected.append(Rejected(layer.schema, layer.name, kind, column, reason))


def _most(one: int | None, other: int | None) -> int | None:
    given = [zoom for zoom in (one, other) if zoom is not None]
    return max(given) if given else None


def _least(one: int | None, other: int | None) -> int | None:
    given = [zoom for zoom in (one, other) if zoom is not None]
    return min(given) if given else None
