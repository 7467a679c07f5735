"""Rows that make a tile's statement fail: told apart from a layer that is not what the catalog says."""

from __future__ import annotations

import pytest

from tests.conftest import MakeApp
from tests.test_tile_faults import TILE, assert_problem, places, run
from tests.tile_decoding import attributes, features, get

__all__ = ["places"]

AT_FAULT = "The query for layer public.coded fails on a value in its rows; the log of Flagstone says why."


class TestRowsAtFault:
    """What a view's own rows make the server say is what a changed column makes it say; only the catalog can tell."""

    @pytest.fixture
    def view(self, places: str) -> str:
        run(places, "CREATE VIEW coded AS SELECT id, kind::int AS code, geom FROM places", "UPDATE places SET kind = 'hunter2'")
        return places

    def test_layer_that_did_not_change_is_500_and_the_log_says_why(
        self, view: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = make_app(view, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0", FLAGSTONE_CATALOG_INTERVAL_S="0")
        store = app.extensions["flagstone"].catalog
        store.catalog()
        for _ in range(3):
            response = get(app, f"/tiles/coded/{TILE}")
            assert_problem(response, 500, "hunter2")
            assert response.get_json(force=True)["detail"] == AT_FAULT
        assert 'invalid input syntax for type integer: "hunter2"' in caplog.text
        assert len(features(app, f"/tiles/places/{TILE}")) == 1

    def test_catalog_is_not_read_again_for_each_of_its_tiles(self, view: str, make_app: MakeApp) -> None:
        app = make_app(view, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0", FLAGSTONE_CATALOG_INTERVAL_S="0")
        store = app.extensions["flagstone"].catalog
        get(app, f"/tiles/coded/{TILE}")
        get(app, f"/tiles/coded/{TILE}")
        before = store.catalog()
        for _ in range(5):
            assert_problem(get(app, f"/tiles/coded/{TILE}"), 500)
        assert store.catalog() is before

    def test_answer_is_the_same_while_the_catalog_may_not_be_read_again(self, view: str, make_app: MakeApp) -> None:
        app = make_app(view, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600", FLAGSTONE_CATALOG_INTERVAL_S="0")
        app.extensions["flagstone"].catalog.catalog()
        for _ in range(2):
            response = get(app, f"/tiles/coded/{TILE}")
            assert_problem(response, 500, "hunter2")
            assert response.get_json(force=True)["detail"] == AT_FAULT
        app.extensions["flagstone"].catalog.reload()
        assert_problem(get(app, f"/tiles/coded/{TILE}"), 500)

    @pytest.mark.parametrize("fault", ["1 / (id - id)", "(id * 2000000000)::int", "kind::date", "sqrt(-id)", "substring(kind, 1, id - 2)"])
    def test_whatever_fails_for_a_value_is_told_alike(self, view: str, make_app: MakeApp, fault: str) -> None:
        run(view, "UPDATE places SET id = 2" if "2000" in fault else "SELECT 1", f"CREATE VIEW faulty AS SELECT id, {fault} AS code, geom FROM places")
        app = make_app(view, CACHE_TYPE="NullCache")
        for path in ("faulty", "places,faulty"):
            response = get(app, f"/tiles/{path}/{TILE}")
            assert_problem(response, 500)
            assert response.get_json(force=True)["detail"] == AT_FAULT.replace("coded", "faulty")
        assert get(app, f"/tiles/faulty/{TILE}?columns=id").status_code == 200

    def test_column_that_became_text_is_read_anew_once(self, places: str, make_app: MakeApp) -> None:
        run(places, "CREATE VIEW coded AS SELECT id, 7 AS code, geom FROM places")
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0", FLAGSTONE_CATALOG_INTERVAL_S="0")
        store = app.extensions["flagstone"].catalog
        assert attributes(app, f"/tiles/coded/{TILE}") == [{"id": 1, "code": 7}]
        before = store.catalog()
        run(places, "DROP VIEW coded", "CREATE VIEW coded AS SELECT id, 'seven'::text AS code, geom FROM places")
        assert attributes(app, f"/tiles/coded/{TILE}") == [{"id": 1, "code": "seven"}]
        after = store.catalog()
        assert after is not before
        assert attributes(app, f"/tiles/coded/{TILE}") == [{"id": 1, "code": "seven"}]
        assert store.catalog() is after

    def test_mended_rows_are_served_at_once(self, view: str, make_app: MakeApp) -> None:
        app = make_app(view, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
        get(app, f"/tiles/coded/{TILE}")
        run(view, "UPDATE places SET kind = '7'")
        assert attributes(app, f"/tiles/coded/{TILE}") == [{"id": 1, "code": 7}]
