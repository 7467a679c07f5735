"""What comments say, and what type modifiers and statements are read as."""

import psycopg
import pytest

from app.layers.bounds import Bounds
from app.layers.identity import ANONYMOUS
from app.repository import typmod
from app.repository.comments import Comment, parse
from app.repository.postgis import parse as parse_version
from app.repository.statements import statement
from tests.catalogs import catalog_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, Comment()),
        ("  ", Comment()),
        (" Roads of Liechtenstein ", Comment(description="Roads of Liechtenstein")),
        ('{"description": "d", "attribution": "<b>a</b>", "name": "n"}', Comment("n", "d", "<b>a</b>")),
        ('{"title": "t", "name": "n"}', Comment(title="t")),
        ('{"bounds": [5.9, 45.8, 10.5, 47.8]}', Comment(bounds=Bounds(5.9, 45.8, 10.5, 47.8))),
        ('{"bounds": [170, -50, -170, -30]}', Comment(bounds=Bounds(170, -50, -170, -30))),
        ('{"minzoom": 3, "unknown": {"a": []}}', Comment()),
        ('{"description": 5, "title": null, "attribution": ["x"]}', Comment()),
        ('{"description": "never closed', Comment(description='{"description": "never closed')),
        ("{just braces}", Comment(description="{just braces}")),
        ('["a", "list"]', Comment(description='["a", "list"]')),
        ('"a string"', Comment(description='"a string"')),
        ("{" * 100_000, Comment(description="{" * 100_000)),
    ],
)
def test_a_comment_is_text_or_a_json_object(text: str | None, expected: Comment) -> None:
    assert parse(text)[:4] == expected[:4]


@pytest.mark.parametrize(
    "bounds",
    ["[1, 2, 3]", "[1, 2, 3, 4, 5]", '"1,2,3,4"', "[1, 4, 3, 2]", "[-181, 0, 1, 1]", "[0, -91, 1, 1]", "[0, 0, NaN, 1]",
     "[0, 0, Infinity, 1]", "[true, 0, 1, 1]", '["1", 0, 1, 1]', "null", "{}"],
)  # fmt: skip
def test_bounds_that_cannot_be_are_ignored(bounds: str) -> None:
    assert parse(f'{{"description": "d", "bounds": {bounds}}}')[:4] == Comment(description="d")[:4]


def test_comments_reach_the_layer(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (geom geometry(Point, 4326))")
        connection.execute(
            """COMMENT ON TABLE t IS '{"title": "T", "description": "D", "attribution": "A", "bounds": [1, 2, 3, 4]}'"""
        )
    layer = catalog_of(database).layer("t", ANONYMOUS)
    assert (layer.title, layer.description, layer.attribution) == ("T", "D", "A")
    assert layer.declared_bounds == Bounds(1, 2, 3, 4)


def test_type_modifiers_are_read_as_postgis_reads_them(database: str) -> None:
    types = ["Geometry", "Point", "PointZ", "PointM", "PointZM", "LineString", "Polygon", "MultiPoint", "MultiLineString",
             "MultiPolygon", "GeometryCollection", "CircularString", "CompoundCurve", "CurvePolygon", "MultiCurve",
             "MultiSurface", "PolyhedralSurface", "Triangle", "TIN"]  # fmt: skip
    with psycopg.connect(database, autocommit=True) as connection:
        columns = [f"c{n}_{srid} geometry({kind}, {srid})" for n, kind in enumerate(types) for srid in (0, 4326, 2056, 900913, 998999)]
        connection.execute(f"CREATE TABLE t ({', '.join(columns)}, u geometry)".encode())
        rows = connection.execute(
            "SELECT atttypmod, postgis_typmod_type(atttypmod), postgis_typmod_srid(atttypmod), postgis_typmod_dims(atttypmod)"
            " FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0"
        ).fetchall()
    assert len(rows) == len(columns) + 1
    for modifier, kind, srid, _ in rows:
        read = typmod.decode(modifier, is_geography=False)
        assert read.srid == srid
        assert kind.upper().removesuffix("M").removesuffix("Z") == read.type
    assert typmod.decode(-1, is_geography=True) == ("GEOMETRY", 4326)


@pytest.mark.parametrize(
    ("text", "version"),
    [("3.3.2", (3, 3, 2)), ("2.5", (2, 5, 0)), ("3.5.0dev", (3, 5, 0)), ("3", (3, 0, 0)), ("unpackaged", (0, 0, 0))],
)
def test_versions_are_read_as_numbers(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_identifiers_are_quoted_and_values_stay_outside() -> None:
    text = statement("spatial_ref_sys", postgis='Odd "schema" %s').as_string(None)
    assert 'FROM "Odd ""schema"" %s".spatial_ref_sys' in text
    assert "%(srids)s::int[]" in text
