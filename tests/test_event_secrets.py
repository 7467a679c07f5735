"""Who may not see a row does not hear where it lies: of such layers it is told that they changed, and no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import change_logs
from tests.conftest import Login
from tests.followed_cities import wait_until
from tests.servers.events import StartEvents, Stream, starting
from tests.test_event_hooks import Cdn

PLACE = [9.51234, 47.14321, 9.51234, 47.14321]
FILE = '[layers."public.filtered"]\nfilter = "secret = false"\n'
SECRET = ("policed", "below", "apart", "filtered")
LAYERS = ("public.policed", "public.shown", "public.apart", "public.filtered", "public.open")


@pytest.fixture
def serve_events(tmp_path: Path) -> Iterator[StartEvents]:
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    made = Cdn()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def reader(database: str, login: Login) -> str:
    """The URL of who may see all of one table, and some of the others, each in another way."""
    statements = [
        f"CREATE TABLE public.{name} (id int, secret bool, geom geometry(Point, 4326))"
        for name in (*SECRET, "open")
    ]
    statements += [
        "GRANT SELECT ON public.policed, public.filtered, public.open TO passer_by",
        "GRANT SELECT (id, geom) ON public.apart TO passer_by",
        "ALTER TABLE public.policed ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY visible ON public.policed USING (NOT secret)",
        "CREATE VIEW public.shown AS SELECT id, geom FROM public.below WHERE NOT secret",
        "GRANT SELECT ON public.shown TO passer_by",
    ]
    url = login(database, "passer_by", *statements)
    change_logs.install(database, *(f"public.{name}" for name in (*SECRET, "open")), login="passer_by")
    return url


def insert(database: str, table: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            f"INSERT INTO public.{table} VALUES (7, true, 'SRID=4326;POINT(9.51234 47.14321)')".encode()
        )


def test_no_place_is_told_of_rows_that_not_everybody_sees(
    reader: str, database: str, serve_events: StartEvents, cdn: Cdn, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text(FILE)
    server = serve_events(reader, "--hook", cdn.url, FLAGSTONE_LAYERS_FILE=str(file))
    with Stream(server.url, ",".join(LAYERS)) as stream:
        hello = stream.next()
        assert hello.data["layers"] == [{"layer": layer, "followed": True} for layer in LAYERS]
        # The first reading tells no places of anything: after it there are some.
        insert(database, "open")
        while (told := stream.until("change").data)["boxes"] is None:
            insert(database, "open")
        assert (told["layer"], told["boxes"]) == ("public.open", [PLACE])
        for table, layer in zip(SECRET, LAYERS, strict=False):
            insert(database, table)
            while (told := stream.until("change").data)["layer"] != layer:
                assert told["layer"] == "public.open"
            assert (told["boxes"], told["tiles"]) == (None, None)
    # Who runs Flagstone lets a cache drop those tiles alone, of these layers too.
    wait_until(lambda: {layer for layer in LAYERS if _placed(cdn, layer)} == set(LAYERS))


def _placed(cdn: Cdn, layer: str) -> bool:
    changes = (change for each in list(cdn.told) for change in each["changes"])
    return any(
        change["layer"] == layer and json.dumps(PLACE) in json.dumps(change["boxes"]) for change in changes
    )
