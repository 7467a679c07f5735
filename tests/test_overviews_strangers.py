"""A login that may not look into schema `flagstone` sees its layers all the same, without overviews."""

from tests.conftest import Login, MakeApp
from tests.tile_decoding import features, get


def test_a_login_without_rights_in_our_schema_reads_its_layers(
    database: str, make_app: MakeApp, login: Login
) -> None:
    stranger = login(
        database, "flagstone_stranger",
        "CREATE SCHEMA flagstone", "CREATE TABLE flagstone.overview (id int)",
        "CREATE TABLE public.places AS SELECT 1 AS id, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326)::geometry(Point, 4326) AS geom",
        "GRANT SELECT ON public.places TO flagstone_stranger",
    )  # fmt: skip
    app = make_app(stranger)
    assert get(app, "/tables.json").status_code == 200
    assert len(features(app, "/tiles/public.places/0/0/0")) == 1
