"""Discovery: from the system catalogs of a database to Flagstone's catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

from psycopg.errors import UntranslatableCharacter

from ..errors import RequestError
from ..layers import grid_files
from ..layers.function import function_ids
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.layers_file import NO_FILE, LayersFile, entry_of
from ..layers.names import RESERVED, relation_candidates, without_types
from ..layers.relation import RelationLayer
from ..layers.sql_layer import SqlLayer
from ..settings import Settings
from . import (
    functions,
    postgis,
    reference_systems,
    relations,
    row_functions,
    selection,
    sql_files,
    sql_layers,
    views,
)
from .catalog import Catalog, Rejected
from .changes import log as changes
from .changes import reading as followed_layers
from .changes import sources as followed_sources
from .changes.log import Followed
from .connection import BoundedConnection
from .functions import Function
from .named_ids import with_id
from .overlay import configured
from .overviews import reading as overviews
from .pool import Pool
from .postgis import Database, PostGIS
from .relations import LayerBuilder, Relation, ViewFacts
from .row_functions import RowFunction
from .sql_files import SqlFiles
from .sql_layers import SqlLayers
from .srid_samples import SridSamples
from .statements import statement

_WHAT = "the catalog"
_TIMEOUT_MS = 30_000
"""The tile's statement timeout may be far too short for a catalog of many thousand relations."""


def load(
    pool: Pool, settings: Settings, before: Catalog | None = None, file: LayersFile = NO_FILE, where: str = "",
    registered: Sequence[SqlLayer] = (),
) -> Catalog:  # fmt: skip
    """The whole catalog. Raises ConfigurationError (no PostGIS), DatabaseDown and the other database errors.

    `before` is the last one: where a look at rows fails now, because a table is locked, it says what was known.
    `file` is the layers file, `where` its name; `registered` are layers from Python, beside those of files.
    """
    with pool.borrowed(_WHAT) as connection:
        with _transaction(pool, connection):
            database = postgis.find(connection)
            found = relations.read(connection)
            running_code = relations.running_code(connection)
            found_functions = functions.read(connection)
            found_rows = row_functions.read(connection)
            stored = overviews.read(connection, _roles(found))
            followed = changes.coverage(connection)
        discovery = _Discovery(pool, settings, connection, database, running_code, before)
        files = sql_files.read(settings.sql_directory, grids=grid_files.ids(settings.tms_directory))
        catalog = discovery.catalog(found, found_functions, found_rows, registered, files)
        catalog = _following(pool, connection, catalog, followed, file)
        catalog = replace(catalog, notices=(*catalog.notices, *followed_layers.notices(followed)))
    if stored.notice is not None:
        catalog = replace(catalog, notices=(*catalog.notices, stored.notice))
    return configured(catalog, file, where, settings, complete=True, overviews=stored.found)


def look_up(
    pool: Pool, settings: Settings, asked: str, identity: Identity, file: LayersFile = NO_FILE, where: str = "",
    registered: Sequence[SqlLayer] = (),
) -> tuple[Layer | None, PostGIS]:  # fmt: skip
    """One layer alone, without the catalog: milliseconds where a whole load takes half a second.

    A bare name is only looked for in the configured schemas; in the others only the catalog knows which is first.
    """
    wanted: list[tuple[str, str]] = []
    if asked not in RESERVED:
        # `name()` is a function beside a table of that name: the table says so.
        named = (asked, without_types(asked))
        wanted = list(dict.fromkeys(pair for name in named for pair in relation_candidates(name, settings.schema_order)))
    with pool.borrowed(_WHAT) as connection:
        with _transaction(pool, connection):
            database = postgis.find(connection)
            found = relations.read(connection, _oids(connection, "relation_oids", wanted))
            running_code = relations.running_code(connection) if found else frozenset()
            oids = _oids(connection, "function_oids", wanted)
            found_functions, found_rows = functions.read(connection, oids), row_functions.read(connection, oids)
            stored = overviews.read(connection, _roles(found)) if found else overviews.Stored()
            followed = changes.coverage(connection) if found else []
        files = sql_files.read(settings.sql_directory, only=asked, grids=grid_files.ids(settings.tms_directory))
        wanted_ones = [layer for layer in registered if layer.id == asked]
        catalog = _Discovery(pool, settings, connection, database, running_code).catalog(
            found, found_functions, found_rows, wanted_ones, files
        )
        catalog = _following(pool, connection, catalog, followed, file)
    catalog = configured(catalog, file, where, settings, complete=False, overviews=stored.found)
    return catalog.find(asked, identity), database.postgis


def _following(
    pool: Pool, connection: BoundedConnection, catalog: Catalog, followed: Sequence[Followed], file: LayersFile
) -> Catalog:
    """The catalog with what its layers follow. What the layers file and comments say of that is laid over it later."""
    sources = {}
    if followed and (wanted := followed_layers.to_be_read(catalog.layers)):
        with _transaction(pool, connection):
            sources = followed_sources.read(connection, wanted)

    def reads(layer: Layer) -> tuple[str, ...] | None:
        entry = entry_of(file, layer)
        return None if entry is None else entry.reads

    layers, reasons = followed_layers.following(catalog.layers, followed, sources, reads)
    return replace(catalog, layers=layers, unfollowed=reasons)


def _roles(found: Sequence[Relation]) -> set[str]:
    return {role for each in found for role in each.readers or ()}


@contextmanager
def _transaction(pool: Pool, connection: BoundedConnection) -> Iterator[None]:
    with pool.transaction(connection, timeout_ms=_TIMEOUT_MS):
        # The statements of sql/ name the system's own tables and functions without their schema.
        connection.execute("SET LOCAL search_path = pg_catalog")
        yield


def _oids(connection: BoundedConnection, query: str, wanted: Sequence[tuple[str, str]]) -> list[int]:
    # PostgreSQL's text holds no NUL and no lone surrogate; a name with one exists nowhere.
    usable = [pair for pair in wanted if "\0" not in (text := "".join(pair)) and not _has_surrogate(text)]
    names = {"schemas": [schema for schema, _ in usable], "names": [name for _, name in usable]}
    try:
        return [oid for (oid,) in connection.execute(statement(query), names, prepare=False)]
    except UntranslatableCharacter as error:
        # A database of LATIN1 knows no 北.
        raise RequestError("The encoding of the database lacks a character of the layer's name.") from error


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


class _Discovery:
    """One pass over the relations that were found: the reasons against some, the layers of the others."""

    def __init__(
        self,
        pool: Pool,
        settings: Settings,
        connection: BoundedConnection,
        database: Database,
        running_code: Set[int],
        before: Catalog | None = None,
    ) -> None:
        self._running_code = running_code
        self._before = before
        self._pool = pool
        self._settings = settings
        self._connection = connection
        self._database = database
        self._rejected: list[Rejected] = []

    def catalog(
        self, found: list[Relation], found_functions: list[Function], found_rows: list[RowFunction],
        registered: Sequence[SqlLayer], files: SqlFiles,
    ) -> Catalog:  # fmt: skip
        accepted = [relation for relation in found if not self._refused(relation)]
        known = self._known()
        facts = views.read(
            self._pool, self._connection, accepted, self._running_code,
            {layer.oid: ViewFacts(layer.key, layer.runs_code, layer.definition) for layer in known if layer.kind == "v"},
        )  # fmt: skip
        srids = self._srids(accepted)
        used = {srid for by_column in srids.values() for srid in by_column.values()}
        systems = reference_systems.read(self._pool, self._connection, self._database.postgis.schema, used)
        builder = LayerBuilder(self._database.login, systems, self._running_code)
        layers: dict[int, list[RelationLayer]] = {}
        for relation in accepted:
            by_column = srids[relation.oid]
            for column, srid in by_column.items():
                if srid not in systems:
                    self._reject(relation, f"SRID {srid} has no definition in spatial_ref_sys that PROJ can use", column)
            usable = {column: srid for column, srid in by_column.items() if srid in systems}
            layers[relation.oid] = list(builder.layers(relation, usable, facts.get(relation.oid)))
        self._leave_partitions(accepted, layers)
        of_relations = [layer for relation in accepted for layer in layers[relation.oid]]
        of_functions = self._functions(found_functions, found_rows, of_relations)
        called = self._registered(registered, files)
        return Catalog(
            # Of a table and a function of one name the table goes first.
            layers=(*called, *(with_id(layer, self._settings.id_columns) for layer in (*of_relations, *of_functions))),
            rejected=tuple(sorted(self._rejected, key=lambda left: (left.schema, left.name, left.column or ""))),
            postgis=self._database.postgis,
            database=self._database.name,
            login=self._database.login,
            schema_order=self._settings.schema_order,
            notices=(*self._database.notices, *((files.notice,) if files.notice else ())),
        )

    def _known(self) -> tuple[RelationLayer, ...]:
        """The relations of the last catalog."""
        return self._before.relations if self._before else ()

    def _functions(
        self, found: list[Function], found_rows: list[RowFunction], of_relations: list[RelationLayer]
    ) -> list[Layer]:
        """The layers that functions are; one beside a table of its name, or another function, gets another id."""
        tiles, refused = functions.chosen(found, self._settings)
        rows, refused_rows = row_functions.chosen(found_rows, self._settings)
        self._rejected += [*refused, *refused_rows]
        named: list[Function | RowFunction] = [*(each.function for each in tiles), *rows]
        tables = {(layer.schema, layer.name) for layer in of_relations}
        ids = iter(function_ids([(each.schema, each.name, each.types) for each in named], tables))
        login = self._database.login
        layers: list[Layer] = [functions.layer(each, next(ids), login) for each in tiles]
        systems = reference_systems.read(
            self._pool, self._connection, self._database.postgis.schema, {each.srid for each in rows}
        )
        for each, layer_id in zip(rows, ids, strict=True):
            if each.srid in systems:
                layers.append(row_functions.layer(each, layer_id, login, systems))
            else:
                reason = f"SRID {each.srid} has no definition in spatial_ref_sys that PROJ can use"
                self._rejected.append(row_functions.rejection(each, reason))
        return layers

    def _registered(self, registered: Sequence[SqlLayer], files: SqlFiles) -> tuple[Layer, ...]:
        """The layers of registered statements; those from Python go before those of files."""
        self._rejected += [Rejected("", name, sql_layers.KIND, None, reason) for name, reason in files.refused]
        known = {} if self._before is None else {layer.id: layer for layer in self._before.layers}
        told = {(left.name, left.reason) for left in self._before.rejected} if self._before else set()
        reader = SqlLayers(self._pool, self._connection, self._database.postgis.schema, self._database.login, told)
        layers = reader.layers([*registered, *files.layers], known)
        self._rejected += reader.rejected
        return layers

    def _reject(self, relation: Relation, reason: str, column: str | None = None) -> None:
        self._rejected.append(Rejected(relation.schema, relation.name, relation.kind, column, reason))

    def _refused(self, relation: Relation) -> bool:
        reason = selection.refusal(relation, self._settings)
        if reason is not None:
            self._reject(relation, reason)
        return reason is not None

    def _srids(self, accepted: list[Relation]) -> dict[int, dict[str, int]]:
        """By oid and geometry column; columns without a known one are rejected."""
        srids: dict[int, dict[str, int]] = {relation.oid: {} for relation in accepted}
        untyped: list[tuple[Relation, str]] = []
        for relation in accepted:
            for column in relation.spatial_columns():
                if not relation.column_is_readable(column.name):
                    self._reject(relation, "neither the login nor a role that it may take may read the column", column.name)
                elif column.srid > 0:
                    srids[relation.oid][column.name] = column.srid
                else:
                    untyped.append((relation, column.name))
        before = {(layer.oid, layer.geometry.name): layer.geometry.crs.srid for layer in self._known()}
        samples = SridSamples(
            self._pool, self._connection, self._database.postgis.schema, self._database.login
        ).read(untyped, before)
        for relation, name in untyped:
            sample = samples[relation.oid, name]
            srid = self._settings.default_srid if sample.says_none else sample.srid
            if srid > 0:
                srids[relation.oid][name] = srid
            else:
                self._reject(relation, sample.reason, name)
        return srids

    def _leave_partitions(self, accepted: list[Relation], layers: dict[int, list[RelationLayer]]) -> None:
        """A partition's rows are in its parent's tiles; it stays only where some reader may not read the parent."""
        by_oid = {relation.oid: relation for relation in accepted}
        for relation in accepted:
            for parent in (by_oid.get(oid) for oid in relation.parents or () if oid != relation.oid):
                if parent is None or not layers[parent.oid]:
                    continue
                if (relation.readers or {}).keys() <= (parent.readers or {}).keys():
                    layers[relation.oid] = []
                    self._reject(relation, f"partition of {parent.schema}.{parent.name}")
                    break
