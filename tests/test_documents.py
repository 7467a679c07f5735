"""Documents from values, without a server: addresses, attribution, extents, styles, pages of the catalog."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from app.documents import attribution, catalog, extent
from app.documents.addresses import Addresses
from app.documents.listing import PAGE_LENGTH, listing
from app.documents.query import without, written
from app.documents.sheet import Sheet, sheet
from app.documents.style import style
from app.documents.tilejson import tilejson, tiles_address
from app.documents.viewer import viewer
from app.errors import BadParameter
from app.layers.bounds import Bounds
from app.layers.column import Column
from app.layers.crs import Crs
from app.layers.grid import Grid
from app.layers.grids import Grids
from app.layers.identity import ANONYMOUS
from app.layers.layer import GeometryColumn
from app.layers.member import Member
from app.layers.names import layer_id
from app.layers.relation import RelationLayer
from app.settings import Settings

GRIDS = Grids()
MERCATOR = GRIDS.get("WebMercatorQuad")
WGS84 = Crs(4326, "EPSG:4326")
HOME = Addresses("https://maps.example/tiles-of")
OSM = '<a href="https://www.openstreetmap.org/copyright">© OpenStreetMap contributors</a>'
LIECHTENSTEIN = Bounds(9.47, 47.05, 9.64, 47.27)


def layer(name: str = "roads", geometry_type: str = "LINESTRING", **members: Any) -> RelationLayer:
    made = RelationLayer(
        id=layer_id("public", name),
        schema="public",
        name=name,
        oid=1,
        kind="r",
        geometry=GeometryColumn("geom", geometry_type, WGS84),
        columns=(
            Column("id", "integer", "int4", "N"),
            Column("name", "text", "text", "S", "What people call it"),
            Column("open", "boolean", "bool", "B"),
        ),
        key=("id",),
        login="reader",
        readers={"reader": None},
    )
    return replace(made, **members)


def sheet_of(*layers: RelationLayer, query: str = "", grid: Grid = MERCATOR, **settings: Any) -> Sheet:
    arguments = parse_qs(query, keep_blank_values=True)
    return sheet([Member(each.id, each) for each in layers], grid, query, arguments, Settings.of(**settings), ANONYMOUS)


# --- addresses ----------------------------------------------------------------------------------------------------


def test_braces_of_the_template_stay_and_those_of_a_value_do_not() -> None:
    address = HOME.tiles(["public.a"], None, written(b"columns=id,name&x={z}"))
    assert address == "https://maps.example/tiles-of/tiles/public.a/{z}/{x}/{y}?columns=id,name&x=%7Bz%7D"


def test_odd_names_are_percent_encoded_and_commas_join_composites() -> None:
    address = HOME.viewer(['Odd Schema.Ta"ble %s', "public.straße?#"])
    assert (
        address
        == "https://maps.example/tiles-of/Odd%20Schema.Ta%22ble%20%25s,public.stra%C3%9Fe%3F%23/viewer"
    )


def test_another_grid_stands_before_the_layer() -> None:
    assert HOME.tiles(["a"], "NZTM2000Quad").endswith("/tiles/NZTM2000Quad/a/{z}/{x}/{y}")


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (b"token=%FF", "token=%FF"),
        (b"token=%ff&a=%2B+%zz&&b", "token=%ff&a=%2B+%zz&&b"),
        ("name=Zürich".encode(), "name=Z%C3%BCrich"),
        (b'a="<b>"', "a=%22%3Cb%3E%22"),
    ],
)
def test_a_query_string_is_carried_byte_for_byte_as_far_as_an_address_may_hold_it(sent: bytes, address: str) -> None:
    assert written(sent) == address


def test_parameters_are_cut_out_in_every_spelling_and_nothing_else_changes() -> None:
    query = "minzoom=1&a=%FF&MINZOOM=2&min%7Aoom=3&minzoom&columns=name,kind&b=minzoom=1"
    assert without(query, {"minzoom"}) == "a=%FF&columns=name,kind&b=minzoom=1"


# --- attribution --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        (OSM, OSM),
        ("© a & b", "© a &amp; b"),
        ("<b>bold</b> text", "bold text"),
        ("<script>alert(1)</script>after", "after"),
        ("<img src=x onerror=alert(1)>", None),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<a href="java\nscript:alert(1)">x</a>', "x"),
        ('<a href="//other.example">x</a>', "x"),
        (
            '<a href="https://e.example/?a=1&b=2" onclick="x()" target=_top>x</a>',
            '<a href="https://e.example/?a=1&amp;b=2">x</a>',
        ),
        ("<a href='https://e.example/\"><img src=x>'>x</a>", '<a href="https://e.example/&quot;&gt;&lt;img src=x&gt;">x</a>'),
        ('<a href="https://e.example">never closed', '<a href="https://e.example">never closed</a>'),
        ('<a href="https://e.example"><a href="https://f.example">x</a></a>', '<a href="https://e.example"></a><a href="https://f.example">x</a>'),
        ("&lt;img src=x onerror=alert(1)&gt;", "&lt;img src=x onerror=alert(1)&gt;"),
        ("a < b <", "a &lt; b &lt;"),
        ("one<br>two<br/>three", "one two three"),
        ("<svg><a href='https://e.example'>x</a></svg>y", "y"),
        ("<a href='http://[::1'>x</a>", "x"),
        ("  ", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_attribution_is_text_and_links_to_the_web_only(html: str | None, kept: str | None) -> None:
    assert attribution.text_and_links(html) == kept


def test_attributions_are_joined_without_repeats() -> None:
    assert attribution.joined([OSM, None, "GeoNames", OSM, "<i>GeoNames</i>"]) == f"{OSM} | GeoNames"
    assert attribution.joined([None, ""]) is None


# --- extents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "stated"),
    [
        (LIECHTENSTEIN, [9.47, 47.05, 9.64, 47.27]),
        (Bounds(170, -20, -170, -10), [-180, -20, 180, -10]),
        (Bounds(9.5, 47.1, 9.5, 47.1), [9.499, 47.099, 9.501, 47.101]),
        (Bounds(180, 0, 180, 0), [179.999, -0.001, 180, 0.001]),
        (Bounds(-200, 0, 200, 1), [-180, 0, 180, 1]),
    ],
)
def test_stated_bounds_are_within_the_world_and_never_cross_its_edge(
    found: Bounds, stated: list[float]
) -> None:
    assert extent.stated(found, MERCATOR).as_list() == pytest.approx(stated)


@pytest.mark.parametrize(
    "found",
    [None, Bounds(float("nan"), 0, 1, 1), Bounds(0, 0, float("inf"), 1), Bounds(500, 500, 600, 600)],
)
def test_an_unknown_extent_is_that_of_the_grid(found: Bounds | None) -> None:
    assert extent.stated(found, MERCATOR).as_list() == pytest.approx([-180, -85.0511288, 180, 85.0511288])


@pytest.mark.parametrize("grid_id", GRIDS.ids)
def test_every_grid_has_bounds_and_a_center_within_them(grid_id: str) -> None:
    grid = GRIDS.get(grid_id)
    box = extent.grid_bounds(grid)
    assert -180 <= box.xmin < box.xmax <= 180
    assert -90 <= box.ymin < box.ymax <= 90
    longitude, latitude, zoom = extent.center(box, grid, grid.minzoom, grid.maxzoom)
    assert box.xmin <= longitude <= box.xmax
    assert box.ymin <= latitude <= box.ymax
    assert zoom in grid.matrices


def test_center_zoom_shows_the_whole_layer_in_about_a_tile() -> None:
    assert extent.center(extent.stated(None, MERCATOR), MERCATOR, 0, 22) == [0, 0, 0]
    assert extent.center(LIECHTENSTEIN, MERCATOR, 0, 22) == pytest.approx([9.555, 47.16, 10])
    assert extent.center(LIECHTENSTEIN, MERCATOR, 0, 8)[2] == 8
    assert extent.center(extent.stated(Bounds(9, 47, 9, 47), MERCATOR), MERCATOR, 3, 22)[2] == pytest.approx(
        17, abs=1
    )


# --- TileJSON -----------------------------------------------------------------------------------------------------


def document(made: Sheet, *found: Bounds | None, default_grid: str = "WebMercatorQuad") -> dict[str, Any]:
    return tilejson(made, found or [None] * len(made.parts), tiles_address(made, HOME, default_grid))


def test_vector_layers_name_what_the_tile_holds() -> None:
    (described,) = document(sheet_of(layer(description="Roads")))["vector_layers"]
    assert described["id"] == "public.roads"
    assert described["fields"] == {"id": "Number", "name": "String", "open": "Boolean"}
    assert described["description"] == "Roads"


def test_a_constant_name_is_for_single_layers_only() -> None:
    single = sheet_of(layer(), FLAGSTONE_MVT_LAYER_NAME="default")
    both = sheet_of(layer(), layer("pois", "POINT"), FLAGSTONE_MVT_LAYER_NAME="default")
    assert [part.mvt_name for part in single.parts] == ["default"]
    assert [part.mvt_name for part in both.parts] == ["public.roads", "public.pois"]


def test_composite_joins_bounds_names_and_attributions() -> None:
    made = document(
        sheet_of(layer(attribution=OSM), layer("pois", "POINT", attribution=OSM, description="Points")),
        LIECHTENSTEIN,
        Bounds(1, 2, 3, 4),
    )
    assert made["bounds"] == [1, 2, 9.64, 47.27]
    assert made["attribution"] == OSM
    assert made["description"] == "Points"
    assert made["name"] == "public.roads,public.pois"


def test_the_query_string_goes_on_to_the_tiles_without_the_documents_own_parameters() -> None:
    query = "columns=name&MinZoom=2&maxzoom=9&tilematrixsetid=WebMercatorQuad&v=a%20b"
    made = document(sheet_of(layer(), query=query))
    assert made["tiles"] == [f"{HOME.root}/tiles/public.roads/{{z}}/{{x}}/{{y}}?columns=name&v=a%20b"]
    assert (made["minzoom"], made["maxzoom"]) == (2, 9)
    assert made["vector_layers"][0]["fields"] == {"name": "String"}


def test_a_grid_that_is_not_the_default_stands_in_the_tile_address() -> None:
    made = document(sheet_of(layer()), default_grid="NZTM2000Quad")
    assert made["tiles"] == [f"{HOME.root}/tiles/WebMercatorQuad/public.roads/{{z}}/{{x}}/{{y}}"]


def test_zooms_are_at_most_those_of_the_layer() -> None:
    assert sheet_of(layer(), query="maxzoom=30", FLAGSTONE_DEFAULT_MAXZOOM=14).zooms == (0, 14)


@pytest.mark.parametrize(
    "query",
    [
        ("minzoom", "x"),
        ("minzoom", "-1"),
        ("maxzoom", "31"),
        ("maxzoom", ""),
        ("limit", "0"),
        ("columns", "nope"),
    ],
)
def test_a_bad_parameter_is_named(query: tuple[str, str]) -> None:
    with pytest.raises(BadParameter) as caught:
        sheet_of(layer(), query="=".join(query))
    assert caught.value.parameter == query[0]


def test_minzoom_above_maxzoom_is_refused() -> None:
    with pytest.raises(BadParameter):
        sheet_of(layer(), query="minzoom=9&maxzoom=3")


@pytest.mark.parametrize("grid_id", GRIDS.ids)
def test_zooms_of_every_grid_are_within_what_tilejson_knows(grid_id: str) -> None:
    grid: Grid = GRIDS.get(grid_id)
    made = document(sheet_of(layer(), grid=grid))
    assert 0 <= made["minzoom"] <= made["maxzoom"] <= 30
    assert made["tileMatrixSet"] == grid_id


# --- style and viewer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("geometry_type", "kinds"),
    [
        ("POINT", ["circle"]),
        ("MULTIPOINT", ["circle"]),
        ("MULTILINESTRING", ["line"]),
        ("COMPOUNDCURVE", ["line"]),
        ("POLYGON", ["fill", "line"]),
        ("MULTISURFACE", ["fill", "line"]),
        ("GEOMETRY", ["fill", "line", "line", "circle"]),
        ("GEOMETRYCOLLECTION", ["fill", "line", "line", "circle"]),
    ],
)
def test_style_follows_the_geometry_type(geometry_type: str, kinds: list[str]) -> None:
    made = style(sheet_of(layer(geometry_type=geometry_type)), "https://maps.example/tilejson")
    drawn = [each for each in made["layers"] if each["type"] != "background"]
    assert [each["type"] for each in drawn] == kinds
    assert {each["source-layer"] for each in drawn} == {"public.roads"}
    assert all("filter" in each for each in drawn) == (len(kinds) == 4)


def test_style_of_a_composite_has_distinct_ids_and_draws_areas_first() -> None:
    made = style(sheet_of(layer("a", "POINT"), layer("b", "POLYGON"), layer("c", "LINESTRING")), "x")
    assert [each["type"] for each in made["layers"]] == ["background", "fill", "line", "line", "circle"]
    assert len({each["id"] for each in made["layers"]}) == 5


def test_viewer_offers_web_mercator_where_it_cannot_draw() -> None:
    query = "TileMatrixSetId=NZTM2000Quad&columns=name"
    made = viewer(sheet_of(layer(), query=query, grid=GRIDS.get("NZTM2000Quad")), HOME, library=True)
    assert not made["drawn"]
    assert made["mercator_query"] == "columns=name&TileMatrixSetId=WebMercatorQuad"
    assert made["facts"]["tilejson"].endswith("tilejson.json?TileMatrixSetId=NZTM2000Quad&columns=name")


# --- catalog ------------------------------------------------------------------------------------------------------


def table(made: RelationLayer) -> dict[str, Any]:
    return catalog.table(made, ANONYMOUS, None, MERCATOR, (0, 22), HOME, made.columns, ("WebMercatorQuad",))


def test_table_document_keeps_the_members_that_timvt_has() -> None:
    made = table(layer(description="Roads", estimated_rows=3))
    assert made["id"] == "public.roads"
    assert (made["schema"], made["table"], made["type"]) == ("public", "roads", "Table")
    assert made["id_column"] == "id"
    assert made["crs"] == "http://www.opengis.net/def/crs/EPSG/0/4326"
    assert made["tileurl"] == f"{HOME.root}/tiles/public.roads/{{z}}/{{x}}/{{y}}"
    assert made["tilematrixsets"] == ["WebMercatorQuad"]
    assert made["geometry_columns"] == [
        {"name": "geom", "bounds": made["bounds"], "srid": 4326, "geometry_type": "LINESTRING"}
    ]
    assert made["properties"][1] == {
        "name": "name",
        "type": "text",
        "description": "What people call it",
        "served": "String",
    }


def test_table_without_key_or_comment_leaves_the_members_out() -> None:
    made = table(layer(key=()))
    assert not {"id_column", "description", "rows"} & made.keys()
    assert made["key"] == []


def test_listing_is_found_by_all_words_in_any_case_and_comes_in_pages() -> None:
    layers = [layer(f"road_{number}", description="A Street") for number in range(PAGE_LENGTH + 1)]
    assert (listing(layers, "", "2").number, len(listing(layers, "", "2").layers)) == (2, 1)
    assert listing(layers, "STREET road_123", "1").found == 1
    assert listing(layers, "street nowhere", "1").layers == ()


@pytest.mark.parametrize(
    ("number", "page"), [("", 1), ("0", 1), ("-1", 1), ("x", 1), ("9" * 50, 2), ("²", 1)]
)
def test_a_page_that_is_not_there_is_the_nearest(number: str, page: int) -> None:
    assert listing([layer(f"t{index}") for index in range(PAGE_LENGTH + 1)], "", number).number == page
