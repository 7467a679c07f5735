"""The OpenAPI 3.0 document of Flagstone's own addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.member import Member
from ..settings import Settings
from .openapi_answers import answers, faults, schemas
from .openapi_operations import OPERATIONS, Operation
from .openapi_parameters import attributes, own_parameters, parameters

MEDIA_TYPE = "application/vnd.oai.openapi+json;version=3.0"
_MOST_EXAMPLES = 3


def openapi(
    root: str,
    settings: Settings,
    grids: Sequence[str],
    zooms: tuple[int, int],
    layers: Sequence[Layer],
    members: Sequence[Member],
    identity: Identity,
) -> dict[str, Any]:
    """The document of the addresses below `root`. Of the `layers` that the identity may see the first are examples.

    `members` are the layer, or the layers of a composite, that the document is for, or none: their arguments and columns
    are parameters of the tiles, and their attributes a schema.
    """
    named = members[0].composite or members[0].layer if members else None
    ids = [named.id] if named else [layer.id for layer in layers[:_MOST_EXAMPLES]]
    described = parameters(settings, grids, ids, zooms)
    own = own_parameters(members, identity)
    shapes = schemas() | ({"attributes": attributes(members, settings, identity)} if named else {})
    made = answers()
    if named:
        made["tile"]["200"]["description"] = "The tile. Its features have the attributes of the schema `attributes`."
    return {
        "openapi": "3.0.3",
        "info": {
            "title": settings.name if named is None else f"{settings.name}: {named.id}",
            "description": "Vector tiles from PostGIS. An error is a problem document (RFC 9457).",
            "version": "1.0.0",
        },
        "servers": [{"url": root or "/"}],
        "tags": [{"name": room} for room in OPERATIONS],
        "paths": {
            each.path: {"get": _operation(each, room, made[each.answer], own)}
            for room, operations in OPERATIONS.items()
            for each in operations
        },
        "components": {"parameters": described, "responses": faults(), "schemas": shapes},
    }


def _operation(each: Operation, room: str, answer: dict[str, Any], own: list[dict[str, Any]]) -> dict[str, Any]:
    shared = [{"$ref": f"#/components/parameters/{key}"} for key in (*each.path_parameters, *each.query)]
    takes_rows = "filter" in each.query
    return {
        "operationId": _identifier(each.path),
        "summary": each.summary,
        "tags": [room],
        "parameters": shared + (own if takes_rows else []),
        "responses": answer,
    }


def _identifier(path: str) -> str:
    """A name that programs may use for a function: words of the path."""
    return "_".join(re.findall(r"[A-Za-z]+|(?<=/)_(?=/)", path)) or "home"
