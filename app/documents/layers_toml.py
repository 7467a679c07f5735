"""The layers as a layers file: what is known of them, written so that a person goes on from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tomlkit
from tomlkit.items import Table

from ..layers.layer import Layer, RowLayer
from ..layers.layer_entry import LayerEntry, OverviewEntry
from ..layers.layers_file import CompositeEntry, LayersFile, entry_of

_HEAD = """\
Layers of Flagstone, written by `flask config layers`. FLAGSTONE_LAYERS_FILE names the file that is read.
A key that is not here is as the database or the settings have it; docs/layers-file.md names all keys."""


def layers_toml(layers: Sequence[Layer], file: LayersFile, hidden: Iterable[str] = ()) -> str:
    """The text of a layers file that, read again, gives these layers.

    `file` is the one in force, `hidden` are the ids that something hides. What the file names and the database lacks
    is kept: it may come back.
    """
    document = tomlkit.document()
    for line in _HEAD.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    tables = tomlkit.table(is_super_table=True)
    for layer in sorted(layers, key=lambda layer: layer.id):
        entry = entry_of(file, layer) or LayerEntry()
        tables.append(layer.id, _table(_with_texts(entry, layer), _remarks(layer)))
    known = {layer.id for layer in layers}
    for layer_id in sorted({*file.layers, *hidden} - known):
        entry = file.layers.get(layer_id, LayerEntry())
        if layer_id in set(hidden):
            entry = entry.model_copy(update={"hidden": True})
        tables.append(layer_id, _table(entry, [] if entry.hidden else ["not in the database, or not to be served"]))
    document.append("layers", tables)
    if file.composites:
        composites = tomlkit.table(is_super_table=True)
        for name, composite in file.composites.items():
            composites.append(name, _composite(composite))
        document.append("composites", composites)
    return tomlkit.dumps(document)


def _with_texts(entry: LayerEntry, layer: Layer) -> LayerEntry:
    """The entry with the texts of a comment that is no JSON, and of what the application registered."""
    texts = {name: text for name in LayerEntry.WORDS if getattr(entry, name) is None and (text := getattr(layer, name)) is not None}
    if entry.bounds is None and layer.declared_bounds is not None:
        texts["bounds"] = tuple(layer.declared_bounds.as_list())
    return entry.model_copy(update=texts)


def _remarks(layer: Layer) -> list[str]:
    """What nobody has to write but is good to know, as comments."""
    if not isinstance(layer, RowLayer):
        return []
    rows = "" if layer.estimated_rows is None else f", about {layer.estimated_rows} rows"
    columns = ", ".join(column.name for column in layer.columns)
    return [
        f"{layer.geometry.type} in column {layer.geometry.name}, SRID {layer.geometry.crs.srid}{rows}",
        *([f"served columns: {columns}"] if columns else []),
        *([f"key: {', '.join(layer.key)}"] if layer.key else []),
    ]


def _table(entry: LayerEntry, remarks: Iterable[str]) -> Table:
    table = tomlkit.table()
    for remark in remarks:
        table.add(tomlkit.comment(_printable(remark)))
    said = entry.said
    for name in (*LayerEntry.WORDS, *(name for name in said if name not in LayerEntry.WORDS)):
        if name in said:
            table.add(name, _value(said[name]))
    table.add(tomlkit.nl())
    return table


def _composite(composite: CompositeEntry) -> Table:
    table = tomlkit.table()
    for name, value in composite.model_dump(exclude_none=True, exclude={"layers"}).items():
        table.add(name, _value(value))
    members = tomlkit.array()
    for member in composite.layers:
        said = member.model_dump(exclude_none=True)
        item: Any = said["layer"]
        if len(said) > 1:
            item = tomlkit.inline_table()
            for name, value in said.items():
                item.append(name, _value(value))
        members.append(item)
    table.add("layers", members.multiline(True))
    table.add(tomlkit.nl())
    return table


def _value(value: Any) -> Any:
    if isinstance(value, OverviewEntry):
        table = tomlkit.inline_table()
        for name, said in value.model_dump(exclude_defaults=True).items():
            table.append(name, _value(said))
        return table
    return list(value) if isinstance(value, tuple) else value


def _printable(text: str) -> str:
    """A comment is one line, and TOML allows no control characters in it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
