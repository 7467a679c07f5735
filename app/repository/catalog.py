"""The catalog: an immutable picture of every layer of the database, and of what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from ..errors import NotFound
from ..layers.composite import Composite
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.names import RESERVED, layer_id, nearest
from ..layers.relation import RelationLayer
from .postgis import PostGIS


@dataclass(frozen=True, slots=True)
class Rejected:
    """A relation with geometry, or one geometry column of it, that is not a layer. `kind` is a relkind."""

    schema: str
    name: str
    kind: str
    column: str | None
    reason: str


def relation(layer: Layer) -> RelationLayer:
    """The layer, if it is a relation; else NotFound."""
    if not isinstance(layer, RelationLayer):
        raise NotFound(f"Layer {layer.id} is no table or view.")
    return layer


@dataclass(frozen=True)
class Catalog:
    """Every layer of one database at one time. Every question names who asks.

    `notices` are sentences for whoever runs Flagstone: an old PostGIS, a login that sees everything.
    """

    layers: tuple[Layer, ...]
    rejected: tuple[Rejected, ...]
    postgis: PostGIS
    database: str
    login: str
    schema_order: tuple[str, ...] = ("public",)
    notices: tuple[str, ...] = ()
    composites: tuple[Composite, ...] = ()
    """Those that the layers file names."""
    hidden: tuple[str, ...] = ()
    """Ids of layers that the layers file or their comment hides."""
    overview_faults: Mapping[int, str] = field(default_factory=dict)
    """Why overviews are not served, by their number."""
    unfollowed: Mapping[str, str] = field(default_factory=dict)
    """Why changes of layers are not followed, by their ids."""
    _by_id: dict[str, Layer] = field(init=False, repr=False, compare=False)
    _by_name: dict[str, list[Layer]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {layer.id: layer for layer in self.layers})
        by_name: dict[str, list[Layer]] = {}
        for layer in sorted((layer for layer in self.layers if layer.has_bare_name), key=self._rank):
            for name in layer.other_names:
                by_name.setdefault(name, []).append(layer)
        object.__setattr__(self, "_by_name", by_name)

    def _rank(self, layer: Layer) -> tuple[int, str]:
        order = self.schema_order
        return (order.index(layer.schema) if layer.schema in order else len(order), layer.schema)

    @property
    def relations(self) -> tuple[RelationLayer, ...]:
        """The layers that are relations of the database, whoever may read them."""
        return tuple(layer for layer in self.layers if isinstance(layer, RelationLayer))

    def find(self, asked: str, identity: Identity) -> Layer | None:
        """The layer of an id, or of a bare name in the first schema that has it for this identity."""
        layer = self._by_id.get(asked)
        if layer is not None:
            return layer if layer.readable_by(identity) else None
        if asked in RESERVED:
            return None
        return next((layer for layer in self._by_name.get(asked, ()) if layer.readable_by(identity)), None)

    def layer(self, asked: str, identity: Identity) -> Layer:
        """As `find`; NotFound, with the nearest ids that this identity may know of, where there is none."""
        layer = self.find(asked, identity)
        if layer is None:
            if self.composite(asked, identity) is not None:
                part = quote(asked, safe="")
                described = f"/{part}/tilejson.json and /collections/{part} describe it."
                raise NotFound(f"{asked[:100]!r} is a composite of several layers: {described}")
            composites = [each.name for each in self.composites if each.members_for(identity)]
            near = nearest(asked, (*(layer.id for layer in self.visible(identity)), *composites))
            raise NotFound(f"There is no layer {asked[:100]!r}.", near)
        return layer

    def called(self, asked: str) -> Layer | None:
        """The layer of an id, or of a bare name in the first schema that has it, whoever may read it: for who runs Flagstone."""
        return self._by_id.get(asked) or next(iter(self._by_name.get(asked, ())), None)

    def overloads(self, layer: Layer, identity: Identity) -> list[Layer]:
        """The functions that have the name of this one, as far as this identity may execute them; itself is one."""
        named = self._by_name.get(layer_id(layer.schema, layer.name), ())
        same = (each for each in named if (each.schema, each.name) == (layer.schema, layer.name))
        return [each for each in same if each.readable_by(identity)]

    def composites_for(self, identity: Identity) -> list[Composite]:
        """The composites that lead this identity to something, by name."""
        found = (self.composite(each.name, identity) for each in self.composites)
        return sorted((each for each in found if each is not None), key=lambda each: each.name)

    def composite(self, asked: str, identity: Identity) -> Composite | None:
        """The composite of this name, where no layer has it as its id and this identity may read one of its layers."""
        if asked in self._by_id:
            return None
        found = next((composite for composite in self.composites if composite.name == asked), None)
        return found if found is not None and found.members_for(identity) else None

    def digests(self, layer_id: str, identity: Identity) -> set[str]:
        """The digests under which this identity may ask for tiles of a layer: by itself, and in composites."""
        found = [self.find(layer_id, identity), *(layer for each in self.composites for _, layer in each.members)]
        return {layer.digest for layer in found if layer is not None and layer.id == layer_id}

    def table(self, asked: str, identity: Identity) -> RelationLayer:
        """As `layer`, of a relation of the database."""
        return relation(self.layer(asked, identity))

    def visible(self, identity: Identity) -> list[Layer]:
        """The layers that this identity may read, ordered by schema, name and column."""
        return [layer for layer in self.layers if layer.readable_by(identity)]

    def tables(self, identity: Identity) -> list[RelationLayer]:
        """Those that are relations of the database."""
        return [layer for layer in self.relations if layer.readable_by(identity)]

    def short_name(self, layer: Layer, identity: Identity) -> str | None:
        """The bare name that leads this identity to the layer, if there is one."""
        if not layer.has_bare_name:
            return None
        taken = {each.name for each in self.composites}
        shorter = (name for name in layer.other_names if len(name) < len(layer.id))
        return next((name for name in shorter if name not in taken and self.find(name, identity) is layer), None)
