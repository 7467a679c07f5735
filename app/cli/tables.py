"""Tables on a terminal, and the option that asks for JSON in their place."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print."
)
_NO_LIMIT = 100_000


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output; through a pipe it is as wide as its text, so that nothing is cut."""
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # Text, not markup: a table called [red] shall look like one.
        table.add_row(*(Text(_printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=Console(width=_NO_LIMIT).measure(table).maximum)
    console.print(table)


def _printable(text: str) -> str:
    """Control characters as escapes: names and values come from a database, and a terminal obeys some of them."""
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )
