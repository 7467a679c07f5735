"""What a build leaves over, where it is ended halfway or somebody reads the bands before: nobody waits for it, and it goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest
from flask import Flask, current_app
from psycopg.conninfo import conninfo_to_dict

from app import create_app
from app.layers.identity import ANONYMOUS
from app.repository.overviews import sampling
from app.repository.overviews.administering import administering
from app.repository.overviews.build import build
from app.repository.overviews.target import target
from app.settings import Settings
from tests.conftest import MakeApp
from tests.overview_builds import plan_of
from tests.test_overview_cli import FEW, asked, execute, run, said
from tests.tile_decoding import get

LAYER = "public.plain"

WAYS = [("build", LAYER), ("refresh", LAYER), ("drop", "--unused")]


class Ended(Exception):
    """The process was ended here."""


@pytest.fixture
def layers(oddity: Any) -> str:
    dsn: str = oddity("overview_layers")
    name = conninfo_to_dict(dsn)["dbname"]
    # Who would wait without end fails.
    execute(dsn, f"ALTER DATABASE \"{name}\" SET lock_timeout = '20s'")
    return dsn


@pytest.fixture
def app(layers: str, make_app: MakeApp) -> Flask:
    made = make_app(layers, **FEW)
    said(made, "build", LAYER)
    made.extensions["flagstone"].catalog.reload()
    return made


def built(dsn: str, report: Callable[[str, int, int], None], *, again: bool = True) -> int:
    given = Settings.of(DATABASE_URL=dsn, **FEW)
    made = create_app(given)
    with closing(made.extensions["flagstone"]) as there, made.app_context():
        catalog = there.catalog.catalog()
        found = target(there.pool, catalog.layer(LAYER, ANONYMOUS), there.grids.get("WebMercatorQuad"), catalog.postgis)
        with administering(given) as connection:
            return build(connection, found, plan_of(found, range(3)), catalog.login, report, given, again=again)


def end_at(step: str) -> Callable[[str, int, int], None]:
    def report(what: str, _done: int, _steps: int) -> None:
        if what == step:
            raise Ended

    return report


def numbers(dsn: str) -> list[int]:
    """Overviews that there is anything of: in the list, or a table."""
    tables = (
        "SELECT split_part(relname, '_', 2)::int FROM pg_class WHERE relnamespace = 'flagstone'::regnamespace AND relkind = 'r'"
        " AND relname ~ '^overview_[0-9]+_'"
    )
    return sorted({number for (number,) in execute(dsn, f"SELECT id FROM flagstone.overview UNION {tables}")})


@pytest.mark.parametrize("way", WAYS)
def test_bands_that_somebody_reads_are_left_and_go_later(
    app: Flask, layers: str, make_app: MakeApp, way: tuple[str, ...]
) -> None:
    other = make_app(layers, **FEW)
    with psycopg.connect(layers) as reader:
        reader.execute("SELECT count(*) FROM flagstone.overview_1_z0")
        assert "stays for now" in said(other, "build", LAYER, "--again")
        assert numbers(layers) == [1, 2]
        # This server's catalog is of before.
        assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"
        other.extensions["flagstone"].catalog.reload()
        states = [each["state"] for each in asked(other, "status")]
        assert states[1] == "served" and "`flask overviews drop --unused`" in states[0]
        assert run(other, "drop", "--unused").exit_code == 1
        assert "stays for now" in said(other, "refresh", LAYER)
        assert numbers(layers) == [1, 2]
    other.extensions["flagstone"].catalog.reload()
    said(other, *way)
    assert numbers(layers) == [2]


def test_a_refresh_that_builds_anew_does_not_wait_for_who_reads(app: Flask, layers: str) -> None:
    execute(layers, "DROP TABLE flagstone.overview_1_z0")
    with psycopg.connect(layers) as reader:
        reader.execute("SELECT count(*) FROM flagstone.overview_1_z1")
        text = said(app, "refresh", LAYER)
        assert "was built anew" in text and "stays for now" in text
    said(app, "refresh", "--all", "--quiet")
    assert numbers(layers) == [2]


def test_who_drops_what_somebody_reads_is_told_so(app: Flask, layers: str) -> None:
    with psycopg.connect(layers) as reader:
        reader.execute("SELECT count(*) FROM flagstone.overview_1_z0")
        answer = run(app, "drop", LAYER)
        assert answer.exit_code == 1 and "Not dropped is the overview of public.plain" in answer.output
        assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"
    said(app, "drop", LAYER)
    assert numbers(layers) == []


@pytest.mark.parametrize("step", ["zoom 0", "the one before is dropped"])
@pytest.mark.parametrize("way", WAYS)
def test_what_an_ended_build_left_over_goes(app: Flask, layers: str, way: tuple[str, ...], step: str) -> None:
    with pytest.raises(Ended):
        built(layers, end_at(step))
    assert numbers(layers) == [1, 2]
    app.extensions["flagstone"].catalog.reload()
    said(app, *way)
    assert numbers(layers) == [1 if step == "zoom 0" else 2]
    app.extensions["flagstone"].catalog.reload()
    assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"


def test_a_build_again_goes_on_where_it_was(app: Flask, layers: str) -> None:
    with pytest.raises(Ended):
        built(layers, end_at("zoom 0"))
    made = dict(execute(layers, "SELECT table_name, relation FROM flagstone.overview_band WHERE overview = 2 AND kind = 'band'"))
    assert len(made) == 2
    app.extensions["flagstone"].catalog.reload()
    states = {each["overview"]: each["state"] for each in asked(app, "status")}
    assert states[1] == "served"
    assert states[2].startswith("not whole: the one before is served meanwhile") and "--again" in states[2]
    said(app, "build", LAYER, "--again")
    assert numbers(layers) == [2]
    now = dict(execute(layers, "SELECT table_name, relation FROM flagstone.overview_band WHERE kind = 'band'"))
    assert len(now) == 3 and made.items() <= now.items()


def test_a_build_again_does_not_go_on_where_the_whole_one_is_fresher(app: Flask, layers: str) -> None:
    with pytest.raises(Ended):
        built(layers, end_at("zoom 0"))
    with psycopg.connect(layers) as reader:
        reader.execute("SELECT count(*) FROM flagstone.overview_2_z2")
        execute(layers, "DELETE FROM plain WHERE id = 1")
        assert "stays for now" in said(app, "refresh", LAYER)
        assert numbers(layers) == [1, 2]
        said(app, "build", LAYER, "--again")
    assert numbers(layers) == [2, 3]
    said(app, "build", LAYER)
    assert numbers(layers) == [3]
    assert asked(app, "status", LAYER)[0]["rows"]["is_exact"]


@pytest.mark.parametrize("way", WAYS)
def test_a_build_under_way_is_not_taken_for_something_left_over(
    app: Flask, layers: str, way: tuple[str, ...]
) -> None:
    answers: list[str] = []

    def look(what: str, _done: int, _steps: int) -> None:
        if what == "zoom 0":
            # A command within a command asks the outer one's catalog.
            current_app.extensions["flagstone"].catalog.reload()
            answers.append(run(app, *way).output)

    assert built(layers, look) == 2
    assert len(answers) == 1
    assert "under way" in answers[0] or "has a whole overview" in answers[0]
    assert numbers(layers) == [2]


def test_an_error_that_nobody_foresaw_ends_one_layer_alone(
    layers: str, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = sampling.plan

    def plan(connection: Any, found: Any, *rest: Any, **named: Any) -> Any:
        if found.layer.id == LAYER:
            raise ValueError("no such number")
        return planned(connection, found, *rest, **named)

    monkeypatch.setattr(sampling, "plan", plan)
    app = make_app(layers, **FEW)
    answer = run(app, "build", LAYER, "public.text_key", "--jobs", "2")
    assert answer.exit_code == 1 and isinstance(answer.exception, SystemExit)
    assert "public.text_key has its overview" in answer.output
    assert "does not know (ValueError: no such number)" in answer.output
    faults = {each["layer"]: each.get("fault") for each in asked(app, "plan", "--all")}
    assert "ValueError" in faults[LAYER] and faults["public.text_key"] is None


def test_an_error_that_nobody_foresaw_ends_one_refresh_alone(
    layers: str, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(layers, **FEW)
    said(app, "build", LAYER, "public.text_key")
    execute(layers, "DROP TABLE flagstone.overview_1_z0")

    def plan(*_: Any, **__: Any) -> Any:
        raise ValueError("no such number")

    monkeypatch.setattr(sampling, "plan", plan)
    answer = run(app, "refresh", "--all")
    assert answer.exit_code == 1 and isinstance(answer.exception, SystemExit)
    assert "does not know (ValueError: no such number)" in answer.output
    assert "public.text_key in WebMercatorQuad is fresh" in answer.output
