"""The layers that an address names, each family of addresses by its own names for them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from ..backend import Backend
from ..documents import extent
from ..errors import BadParameter, NotFound
from ..layers.bounds import Bounds
from ..layers.composite import Composite
from ..layers.function_overloads import overloads_of, with_overloads
from ..layers.geometry_choice import with_geometry
from ..layers.grid import Grid
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.manner import Manner
from ..layers.member import Member
from ..layers.names import RESERVED, is_wanted_by_browsers, looks_like_file
from ..layers.parameters import Arguments
from ..layers.relation import RelationLayer
from .paths import asked_members


def members_at(
    backend: Backend, manner: Manner, text: str | None, arguments: Arguments, identity: Identity, grid: Grid | None = None
) -> tuple[Member, ...]:
    """The layers of a comma list; None stands for the dataset. NotFound names what is no layer.

    Without a grid no tile is asked for: which of several functions of a name is meant then stays open.
    """
    members = _named(backend, manner, text, arguments, identity)
    if grid is not None:
        members = with_overloads(
            members, arguments, grid, backend.settings, lambda layer: backend.catalog.catalog().overloads(layer, identity)
        )
    return with_geometry(members, arguments, lambda: backend.catalog.catalog().visible(identity))


def _named(
    backend: Backend, manner: Manner, text: str | None, arguments: Arguments, identity: Identity
) -> tuple[Member, ...]:
    if text is None:
        return _dataset(backend, arguments, identity)
    if manner is Manner.MARTIN:
        return _of_martin(backend, text, identity)
    return asked_members(backend, text, identity)


def _of_martin(backend: Backend, text: str, identity: Identity) -> tuple[Member, ...]:
    """Source ids, or layer ids: whoever had Martin make ids of schema and table finds them too."""
    asked = text.split(",")
    refuse_strays(backend, asked, identity)
    snapshot = backend.catalog.catalog()
    known = backend.source_ids.of(snapshot, identity)
    ids = []
    for name in asked:
        layer = snapshot.find(name, identity)
        is_id = layer is not None and layer.id == name
        ids.append(name if is_id or name not in known else known[name].id)
    members = asked_members(backend, ",".join(ids), identity)
    if len(members) != len(asked):  # a name that stands for several
        return members
    return tuple(member._replace(name=name) for member, name in zip(members, asked, strict=True))


def refuse_strays(backend: Backend, asked: Sequence[str], identity: Identity) -> None:
    """NotFound for names of files that browsers and scanners want, where no layer is known by them.

    An unknown layer has the catalog read again, for it may be new; what is no layer's name shall not.
    """
    snapshot = backend.catalog.snapshot
    if snapshot is None:
        stray = next((name for name in asked if name in RESERVED or is_wanted_by_browsers(name)), None)
    else:
        known = backend.source_ids.of(snapshot, identity)
        strays = (
            name for name in asked
            if name in RESERVED or looks_like_file(name, (layer.schema for layer in snapshot.layers if layer.schema))
        )  # fmt: skip
        stray = next((name for name in strays if name not in known and snapshot.find(name, identity) is None), None)
    if stray is not None:
        raise NotFound(f"There is no layer {stray[:100]!r}.")


def _dataset(backend: Backend, arguments: Arguments, identity: Identity) -> tuple[Member, ...]:
    """What `collections` names, in its order; without it everything, as far as one tile may hold it.

    The tileset's document names what its tiles hold, and how many collections there are.
    """
    asked = [name for value in arguments.get("collections", ()) for name in value.split(",")]
    if asked:
        return asked_members(backend, ",".join(dict.fromkeys(map(collection_id, asked))), identity)
    layers = dataset_layers(backend, identity)[: backend.settings.max_composite]
    return tuple(Member(layer.id, layer) for layer in layers)


def dataset_layers(backend: Backend, identity: Identity) -> list[RelationLayer]:
    """The collections that a tile of the dataset holds where none are named. A function may want arguments."""
    layers = backend.catalog.catalog().tables(identity)
    if not layers:
        raise NotFound("There is no collection.")
    return layers


def layer_arguments(text: str | None, arguments: Arguments) -> Arguments:
    """What of a query string is for the layers: `collections` of the dataset's is not, whatever columns are called."""
    return arguments if text is not None else {name: values for name, values in arguments.items() if name != "collections"}


def collection_id(asked: str) -> str:
    """A collection's id, which may be asked by its whole address too (OGC 20-057 /req/collections-selection)."""
    return unquote(asked.rpartition("/collections/")[2]) if "/collections/" in asked else asked


def named(backend: Backend, asked: str, identity: Identity) -> Layer | Composite:
    """The one layer, or the named composite, that an id leads to; NotFound where there is none."""
    first = backend.catalog.members(asked, identity)[0]
    return first.layer if first.composite is None else first.composite


def described(backend: Backend, asked: str, arguments: Arguments, identity: Identity) -> tuple[Layer | Composite, list[Layer]]:
    """What an id leads to, for a document about it alone; and where it is the name of several functions, all of them.

    Of those it is the one that the query string fits, as at a tile's address; where none does, the first.
    """
    found = named(backend, asked, identity)
    if isinstance(found, Composite):
        return found, []
    member, catalog = Member(asked, found), backend.catalog.catalog
    several = overloads_of(member, lambda layer: catalog().overloads(layer, identity))
    if not several:
        return found, []
    grid = backend.grids.get(backend.settings.default_grid)
    try:
        [member] = with_overloads([member], arguments, grid, backend.settings, lambda _: several)
    except BadParameter:
        return found, several
    return member.layer, several


def layers_of(found: Layer | Composite, identity: Identity) -> list[Layer]:
    """A layer by itself; of a composite those that this identity may read."""
    return [member.layer for member in found.members_for(identity)] if isinstance(found, Composite) else [found]


def extents_of(
    backend: Backend, found: Sequence[Layer | Composite], identity: Identity, *, waits: bool = False
) -> dict[str, Bounds | None]:
    """The extents of layers and composites by id; for rows that have to be read only who `waits` waits, a moment."""
    layers = {each.id: layers_of(each, identity) for each in found}
    everything = [layer for several in layers.values() for layer in several]
    catalog = backend.catalog
    boxes = {layer.id: catalog.extent(layer) for layer in everything} if waits else catalog.extents(everything)
    around = {name: extent.around(boxes[layer.id] for layer in several) for name, several in layers.items()}
    stated = {each.id: each.bounds for each in found if isinstance(each, Composite) and each.bounds is not None}
    return {**around, **stated}


def are_sources(backend: Backend, text: str, identity: Identity) -> bool:
    """Whether all of a comma list are source ids of Martin's."""
    known = backend.source_ids.of(backend.catalog.catalog(), identity)
    return all(name in known for name in text.split(","))
