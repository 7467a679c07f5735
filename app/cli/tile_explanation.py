"""`flask tiles explain`: how a tile is made, what it leaves out, and what its bytes are."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from typing import Any

import click
from isal import isal_zlib

from ..layers.layer import RowLayer
from ..repository.explanation import Explanation, explain
from .session import served
from .tables import FORMAT, print_table
from .tile_arguments import NUMBERS, asked_source, parameters

_MUCH = 0.5
"""Part of a tile's bytes from which its attributes are worth a table."""


@click.command("explain", context_settings=NUMBERS)
@click.argument("layer")
@click.argument("z")
@click.argument("x")
@click.argument("y")
@click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")
@click.option(
    "--param",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any parameter of a tile's address; may be repeated.",
)
@click.option(
    "--analyze", is_flag=True, help="Run the last statement again and print what PostgreSQL says of it."
)
@FORMAT
def explain_tile(
    layer: str, z: str, x: str, y: str, grid: str | None, given: tuple[str, ...], analyze: bool, form: str
) -> None:
    """Make one tile of LAYER (or LAYER,LAYER), past the cache, and say how: where rows are looked for, how many there are,
    what the limit and the budget did, and where the bytes are."""
    with served() as there:
        source = asked_source(there, layer, grid, parameters(given))
        tile = source.tile((z, x, y))
        documents = []
        for part in source.parts_at(tile.z):
            if isinstance(part.layer, RowLayer):
                made = explain(there.tiles, there.pool, part, tile, there.catalog.postgis, analyze=analyze)
                documents.append(_document(made))
            else:
                documents.append(
                    {"layer": part.layer.id, "made_by": "a function or statement that gives the tile itself"}
                )
    if form == "json":
        json.dump(documents, sys.stdout, indent=2)
        click.echo()
        return
    for document in documents:
        _print(document)


def _document(made: Explanation) -> dict[str, Any]:
    features, columns = _contents(made.raw)
    last = made.attempts[-1]
    attributes = sum(columns.values())
    return {
        "layer": made.layer,
        "how": made.how.word,
        "reads": made.relation,
        "search": made.way,
        "pieces": made.pieces,
        "crs": made.crs,
        "boxes": [box.as_list() for box in made.boxes],
        "rows": made.rows,
        "limit": made.limit,
        "budget_bytes": made.budget,
        "attempts": [
            {"cell_pixels": each.pixels, "limit": each.limit, "offered": each.offered, "bytes": len(each.raw),
             "compressed_bytes": _compressed(each.raw), "milliseconds": round(each.ms, 1)}
            for each in made.attempts
        ],
        "drawn": features,
        "not_drawn": max(0, min(last.offered, last.limit) - features),
        "bytes": len(made.raw),
        "compressed_bytes": _compressed(made.raw),
        "attribute_bytes": attributes,
        "column_bytes": dict(sorted(columns.items(), key=lambda each: -each[1])),
        "milliseconds": round(made.ms, 1),
        "plan": list(made.plan),
    }  # fmt: skip


def _compressed(raw: bytes) -> int:
    return len(isal_zlib.compress(raw, 1, wbits=31)) if raw else 0


def _contents(raw: bytes) -> tuple[int, dict[str, int]]:
    """The number of features, and about the bytes of each attribute: its different values, and two numbers per feature."""
    from mapbox_vector_tile import decode  # half a second to import, and only commands decode

    values: dict[str, set[Any]] = defaultdict(set)
    uses: dict[str, int] = defaultdict(int)
    features = 0
    for layer in (decode(raw) if raw else {}).values():
        for feature in layer["features"]:
            features += 1
            for name, value in feature["properties"].items():
                values[name].add(value)
                uses[name] += 1
    return features, {name: sum(map(_size, found)) + 3 * uses[name] for name, found in values.items()}


def _size(value: Any) -> int:
    return 4 + len(value.encode()) if isinstance(value, str) else 11 if isinstance(value, float) else 6


def _print(document: dict[str, Any]) -> None:
    if "made_by" in document:
        click.echo(f"{document['layer']}: made by {document['made_by']}")
        return
    click.echo(f"{document['layer']}: {document['how']}, {_what_was_done(document)}")
    click.echo(f"reads {document['reads']}: {document['search']}")
    for box in document["boxes"]:
        click.echo(f"  box {' '.join(f'{edge:.10g}' for edge in box)} in {document['crs']}")
    if document["pieces"]:
        click.echo(f"  and of heavy polygons their pieces in {document['pieces']}")
    budget = f"{document['budget_bytes']} bytes compressed" if document["budget_bytes"] else "no budget"
    click.echo(f"{document['rows']} rows meet the tile's box; limit {document['limit']} features, {budget}")
    print_table(
        ("cells", "offered", "limit", "bytes", "compressed", "ms"),
        [
            (f"{each['cell_pixels']} px" if each["cell_pixels"] else "none", _offered(each), str(each["limit"]), str(each["bytes"]),
             str(each["compressed_bytes"]), f"{each['milliseconds']:.1f}")
            for each in document["attempts"]
        ],
    )  # fmt: skip
    click.echo(
        f"{document['drawn']} features drawn, {document['not_drawn']} candidates outside of the tile or without a shape in it"
    )
    click.echo(
        f"{document['bytes']} bytes, {document['compressed_bytes']} compressed, {document['milliseconds']:.1f} ms in all;"
        f" attributes about {document['attribute_bytes']} bytes"
    )
    if document["attribute_bytes"] > _MUCH * document["bytes"]:
        print_table(
            ("attribute", "bytes, about"),
            [(name, str(size)) for name, size in document["column_bytes"].items()],
        )
    for line in document["plan"]:
        click.echo(line)


def _offered(attempt: dict[str, Any]) -> str:
    """Of the tile query it is only known that there are more."""
    if attempt["offered"] < 0:
        return "all fit"
    if not attempt["cell_pixels"] and attempt["offered"] > attempt["limit"]:
        return f"more than {attempt['limit']}"
    return str(attempt["offered"])


def _what_was_done(document: dict[str, Any]) -> str:
    last = document["attempts"][-1]
    match document["how"]:
        case "full":
            return "every row that meets the tile"
        case "overview":
            return "what is stored for this zoom"
        case "sampled":
            return f"one feature of each cell of {last['cell_pixels']} pixels"
        case _:
            return (
                f"the first {min(last['limit'], last['offered'])} features by rank, size and key"
                if last["cell_pixels"]
                else (f"the first {last['limit']} features by rank and key")
            )
