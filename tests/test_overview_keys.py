"""A key tells every row of an overview from every other, or there is no overview: NULLs, repeated ids, odd types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.errors import ConfigurationError, OverviewError
from app.layers.how import How
from app.layers.overview import key_of
from app.layers.tile import Tile
from tests.catalogs import catalog_of
from tests.conftest import MakeApp
from tests.overview_builds import overview
from tests.overview_readers import attributes_of, entry_as, run
from tests.overview_refreshes import kept

WORLD = Tile(0, 0, 0)
LAKES = (
    "CREATE TABLE public.lakes (id int, name text, geom geometry(Polygon, 3857))",
    # Heavy ones, which lie in pieces.
    "INSERT INTO public.lakes SELECT n, 'lake ' || n, ST_Buffer(ST_SetSRID(ST_MakePoint(n * 4e6 - 10e6, 0), 3857), 1.5e6, 400)"
    " FROM generate_series(1, 4) AS n",
)
VIEW = ("CREATE MATERIALIZED VIEW public.shown AS SELECT * FROM public.lakes", "CREATE UNIQUE INDEX ON public.shown (id)")


def layers_file(tmp_path: Path, layer: str, column: str) -> dict[str, Any]:
    file = tmp_path / "layers.toml"
    file.write_text(f'[layers."{layer}"]\nid = "{column}"\n')
    return {"FLAGSTONE_LAYERS_FILE": str(file)}


def names(entry: Any) -> list[str]:
    return sorted(each["name"] for each in attributes_of(entry))


def test_a_materialized_view_without_null_keys_has_an_overview(database: str, make_app: MakeApp) -> None:
    run(database, *LAKES, *VIEW)
    overview(database, "public.shown", range(2), pieces=True)
    for tile in (WORLD, Tile(3, 3, 3)):
        assert entry_as(make_app(database), "public.shown", None, tile).body


@pytest.mark.parametrize("srid", [3857, 4326])
def test_a_crowd_beside_heavy_polygons_in_pieces_is_thinned(database: str, make_app: MakeApp, srid: int) -> None:
    run(
        database, *LAKES, "ALTER TABLE public.lakes ADD PRIMARY KEY (id)",
        "INSERT INTO public.lakes SELECT n, 'pond', ST_Expand(ST_SetSRID(ST_MakePoint(-5e6 + n * 1e4, 1e5), 3857), 100)"
        " FROM generate_series(10, 300) AS n",
        f"ALTER TABLE public.lakes ALTER geom TYPE geometry(Polygon, {srid}) USING ST_Transform(geom, {srid})",
    )  # fmt: skip
    overview(database, "public.lakes", range(2), pieces=True)
    entry = entry_as(make_app(database, FLAGSTONE_MAX_FEATURES=100), "public.lakes", None, Tile(3, 3, 3))
    assert entry.how == How.SAMPLED
    assert "lake 2" in names(entry)


def test_a_materialized_view_with_null_keys_has_no_overview(database: str) -> None:
    run(database, *LAKES, "UPDATE public.lakes SET id = NULL WHERE id > 2", *VIEW)
    with pytest.raises(OverviewError, match=r"public\.shown.*2 rows.*NULL in id"):
        overview(database, "public.shown", range(2), pieces=True)


def test_null_keys_that_a_materialized_view_gets_later_end_a_refresh_and_every_row_is_still_drawn_once(
    database: str, make_app: MakeApp
) -> None:
    run(database, *LAKES, *VIEW)
    with kept(database, "public.shown", range(2), pieces=True) as there:
        run(database, "UPDATE public.lakes SET id = NULL WHERE id > 2", "REFRESH MATERIALIZED VIEW public.shown")
        with pytest.raises(OverviewError, match="NULL in id"):
            there.refresh()
    entry = entry_as(make_app(database), "public.shown", None, WORLD)
    assert names(entry) == ["lake 1", "lake 2", "lake 3", "lake 4"]


def test_an_id_of_the_layers_file_goes_before_a_key_that_may_be_null(
    database: str, make_app: MakeApp, tmp_path: Path
) -> None:
    run(
        database, *LAKES, "ALTER TABLE public.lakes ADD number int", "UPDATE public.lakes SET number = id + 10",
        "UPDATE public.lakes SET id = NULL WHERE id > 2", *VIEW,
    )  # fmt: skip
    settings = layers_file(tmp_path, "public.shown", "number")
    [layer] = [each for each in catalog_of(database, **settings).relations if each.id == "public.shown"]
    assert (layer.key, key_of(layer)) == (("id",), ("number",))
    overview(database, "public.shown", range(2), pieces=True, **settings)
    entry = entry_as(make_app(database, **settings), "public.shown", None, WORLD)
    assert (entry.how, names(entry)) == (How.OVERVIEW, ["lake 1", "lake 2", "lake 3", "lake 4"])


@pytest.mark.parametrize(
    ("change", "said"), [("id = 1", r"4 rows.*repeat.*id"), ("id = NULL WHERE id = 3", r"1 row.*NULL in id")]
)
def test_an_id_of_the_layers_file_that_does_not_tell_rows_apart_makes_no_overview(
    database: str, tmp_path: Path, change: str, said: str
) -> None:
    run(database, *LAKES, f"UPDATE public.lakes SET {change}")
    settings = layers_file(tmp_path, "public.lakes", "id")
    with pytest.raises(OverviewError, match=said):
        overview(database, "public.lakes", range(2), pieces=True, **settings)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM flagstone.overview_band").fetchone() == (0,)


def test_rows_that_the_layer_leaves_out_may_have_no_key(database: str, tmp_path: Path) -> None:
    run(database, *LAKES, "UPDATE public.lakes SET id = NULL WHERE id = 3")
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.lakes"]\nid = "id"\nfilter = "name <> \'lake 3\'"\n')
    overview(database, "public.lakes", range(2), pieces=True, FLAGSTONE_LAYERS_FILE=str(file))


def test_a_key_whose_type_postgresql_itself_cannot_compare_makes_no_overview(database: str) -> None:
    run(
        database, "CREATE EXTENSION ltree", "CREATE TABLE public.trees (path ltree PRIMARY KEY, geom geometry(Point, 4326))",
        "INSERT INTO public.trees VALUES ('a.b', ST_SetSRID(ST_MakePoint(9, 47), 4326))",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"public\.trees.*path.*ltree"):
        overview(database, "public.trees", range(2), pieces=True)


def test_a_column_that_is_called_like_one_of_overviews_own_is_refused(database: str) -> None:
    run(database, *LAKES, "ALTER TABLE public.lakes ADD PRIMARY KEY (id)", 'ALTER TABLE public.lakes ADD "flagstone~geom" text')
    with pytest.raises(ConfigurationError, match="flagstone~geom"):
        overview(database, "public.lakes", range(2))
