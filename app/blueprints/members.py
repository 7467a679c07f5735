"""The layers that an address names, each family of addresses by its own names for them."""

from __future__ import annotations

from urllib.parse import unquote

from ..backend import Backend
from ..errors import NotFound
from ..layers.geometry_choice import with_geometry
from ..layers.identity import Identity
from ..layers.manner import Manner
from ..layers.member import Member
from ..layers.names import RESERVED
from ..layers.parameters import Arguments
from ..layers.relation import RelationLayer
from .paths import asked_members


def members_at(
    backend: Backend, manner: Manner, text: str | None, arguments: Arguments, identity: Identity
) -> tuple[Member, ...]:
    """The layers of a comma list; None stands for the dataset. NotFound names what is no layer."""
    members = _named(backend, manner, text, arguments, identity)
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
    # Before the catalog is asked: it would look into the database for each stray file that a browser wants.
    if stray := next((name for name in asked if name in RESERVED), None):
        raise NotFound(f"There is no layer {stray!r}.")
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


def are_sources(backend: Backend, text: str, identity: Identity) -> bool:
    """Whether all of a comma list are source ids of Martin's."""
    known = backend.source_ids.of(backend.catalog.catalog(), identity)
    return all(name in known for name in text.split(","))
