"""Overviews for tests of `refresh`: built, refreshed, and compared with what a build makes of the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import Connection, sql

from app import create_app
from app.backend import Backend
from app.layers.identity import ANONYMOUS
from app.layers.overview import BandNames, stored_columns
from app.repository.overviews.administering import administering
from app.repository.overviews.build import build
from app.repository.overviews.plans import Plan
from app.repository.overviews.refresh import Refreshed, refresh
from app.repository.overviews.target import Target, target
from app.settings import Settings
from tests.overview_builds import plan_of

Row = tuple[Any, ...]


@dataclass
class Kept:
    """One layer with its overview. `edit` changes the table as its owner does."""

    backend: Backend
    connection: Connection[Any]
    editor: Connection[Any]
    layer: str
    grid: str
    zooms: tuple[int, ...]
    pieces: bool
    small: int
    rebuilt: list[Plan] = field(default_factory=list)

    @property
    def target(self) -> Target:
        catalog = self.backend.catalog.reload()
        found = catalog.layer(self.layer, ANONYMOUS)
        return target(self.backend.pool, found, self.backend.grids.get(self.grid), catalog.postgis)

    @property
    def plan(self) -> Plan:
        return plan_of(self.target, self.zooms, pieces=self.pieces, small=self.small)

    def build(self) -> int:
        """A fresh build; gives its number."""
        login = self.backend.catalog.catalog().login
        return build(self.connection, self.target, self.plan, login, lambda *_: None)

    def refresh(self) -> Refreshed:
        """A refresh. What it would rather build is built."""

        def rebuild(plan: Plan) -> None:
            self.rebuilt.append(plan)
            self.build()

        return refresh(self.connection, self.target, rebuild, lambda *_: None)

    def edit(self, statement: str, *values: Any) -> None:
        self.editor.execute(statement, values or None)

    def tables(self) -> dict[str, list[Row]]:
        """What the newest overview's tables hold, by zoom or `pieces`: all columns, geometry as WKB, in order."""
        there = self.target
        names = BandNames.beside(stored_columns(there.layer))
        found: dict[str, list[Row]] = {}
        for number, kind, zoom, table in self.editor.execute(
            "SELECT overview, kind, zoom, table_name FROM flagstone.overview_band WHERE kind <> 'blocks'"
            " AND overview = (SELECT max(id) FROM flagstone.overview WHERE complete)"
        ).fetchall():
            columns = [row[0] for row in self.editor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                [f'flagstone."{table}"'],
            )]  # fmt: skip
            shapes = {names.geometry}
            chosen = sql.SQL(", ").join(
                sql.SQL("{s}.ST_AsBinary({c})").format(s=there.sql.shapes.s, c=sql.Identifier(name)) if name in shapes
                else sql.SQL("{}::text").format(sql.Identifier(name))
                for name in columns
            )  # fmt: skip
            rows = self.editor.execute(
                sql.SQL("SELECT {} FROM flagstone.{}").format(chosen, sql.Identifier(table))
            ).fetchall()
            counted = self.editor.execute(
                "SELECT rows FROM flagstone.overview_band WHERE table_name = %s", [table]
            ).fetchone()
            assert counted == (len(rows),), f"{table}: the registry says {counted}, there are {len(rows)}"
            found[kind if zoom is None else f"z{zoom}"] = sorted(rows, key=repr)
            del number
        return found

    def counts(self) -> dict[str, int]:
        """Rows of the layer that each band stands for."""
        there = self.target
        names = BandNames.beside(stored_columns(there.layer))
        found: dict[str, int] = {}
        for zoom, table in self.editor.execute(
            "SELECT zoom, table_name FROM flagstone.overview_band WHERE kind = 'band'"
            " AND overview = (SELECT max(id) FROM flagstone.overview WHERE complete)"
        ).fetchall():
            row = self.editor.execute(
                sql.SQL("SELECT COALESCE(sum({}), 0)::int8 FROM flagstone.{} WHERE {} <= 1").format(
                    sql.Identifier(names.count), sql.Identifier(table), sql.Identifier(names.piece)
                )
            ).fetchone()
            found[f"z{zoom}"] = row[0] if row else 0
        return found


@contextmanager
def kept(
    dsn: str, layer: str, zooms: Iterable[int], *, grid: str = "WebMercatorQuad", pieces: bool = False, small: int = 1,
    **settings: Any,
) -> Iterator[Kept]:  # fmt: skip
    """A layer with an overview that was just built."""
    given = Settings.of(DATABASE_URL=dsn, **settings)
    app = create_app(given)
    with (
        closing(app.extensions["flagstone"]) as backend, app.app_context(), administering(given) as connection,
        psycopg.connect(dsn, autocommit=True) as editor,
    ):  # fmt: skip
        backend.open()
        editor.execute("SET search_path = public, gis")
        made = Kept(backend, connection, editor, layer, grid, tuple(zooms), pieces, small)
        made.build()
        yield made


def assert_equals_a_build(made: Kept) -> None:
    """What the overview holds after a refresh is what a build makes of the same rows."""
    refreshed, counts = made.tables(), made.counts()
    made.build()
    built = made.tables()
    assert refreshed.keys() == built.keys()
    for name, rows in built.items():
        assert refreshed[name] == rows, f"{name} differs from a build"
    assert counts == made.counts()
