"""`flask cache` on a real Redis, beside an application that serves from it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import redis
from click.testing import Result
from flask import Flask

from app.metrics import TILE_QUERY_SECONDS
from tests.conftest import MakeApp
from tests.tile_decoding import attributes, decoded, get

Run = Callable[..., Result]


@pytest.fixture
def towns(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.lakes (id int PRIMARY KEY, name text, geom geometry(Point, 4326));"
            "INSERT INTO public.lakes VALUES (1, 'Walensee', 'SRID=4326;POINT(9.2 47.1)');"
            "CREATE TABLE public.towns (id int PRIMARY KEY, name text, geom geometry(Point, 4326));"
            "INSERT INTO public.towns VALUES (1, 'Vaduz', 'SRID=4326;POINT(9.5 47.1)'), (2, 'Quito', 'SRID=4326;POINT(-78.5 -0.2)')"
        )
    return database


@pytest.fixture
def app(towns: str, redis_url: str, make_app: MakeApp) -> Flask:
    return make_app(towns, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)


@pytest.fixture
def run(towns: str, redis_url: str, make_app: MakeApp) -> Run:
    """A command in a process of its own, as far as the cache can tell: another application on the same Redis."""
    other = make_app(towns, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    return lambda *arguments: other.test_cli_runner().invoke(args=["cache", *arguments])


def queries() -> float:
    """Tiles that the database was asked for in this process."""
    [metric] = TILE_QUERY_SECONDS.collect()
    return next(float(sample.value) for sample in metric.samples if sample.name.endswith("_count"))


def names(app: Flask, address: str) -> set[str]:
    return {each["name"] for each in attributes(app, address)}


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_warmed_tiles_are_those_that_the_server_would_have_made(app: Flask, run: Run) -> None:
    done = run("warm", "towns", "--zoom", "0-3")
    assert done.exit_code == 0, done.output
    before = queries()
    for z, x, y in [(0, 0, 0), (1, 0, 1), (3, 4, 2), (3, 2, 4)]:
        assert get(app, f"/tiles/towns/{z}/{x}/{y}").status_code == 200
    assert queries() == before
    get(app, "/tiles/towns/3/4/2?columns=name")
    assert queries() == before + 1


def test_warming_again_makes_nothing_twice(run: Run) -> None:
    first = run("warm", "towns", "--zoom", "0-2").output.splitlines()[-1]
    number = int(first.split(" tiles made, ")[0])
    assert first == f"{number} tiles made, 0 there already." and number > 3
    before = queries()
    again = run("warm", "towns", "--zoom", "0-2")
    assert queries() == before
    assert again.output.splitlines()[-1] == f"0 tiles made, {number} there already."
    told = run("warm", "towns", "--zoom", "0-2", "--format", "json").output.splitlines()[-1]
    assert json.loads(told) == {"made": 0, "kept": number, "failed": 0}


def test_a_composite_with_parameters_is_warmed_as_it_is_asked_for(app: Flask, run: Run) -> None:
    done = run("warm", "towns", "--zoom", "2", "--param", "columns=id", "--jobs", "4", "--rate", "500")
    assert done.exit_code == 0, done.output
    before = queries()
    get(app, "/tiles/towns/2/2/1?columns=id")
    assert queries() == before


def test_only_what_meets_the_box_is_warmed(app: Flask, run: Run) -> None:
    done = run("warm", "towns", "--zoom", "4", "--bbox", "9,47,10,48")
    assert "1 tile made, 0 there already." in done.output
    before = queries()
    get(app, "/tiles/towns/4/8/5")
    assert queries() == before
    get(app, "/tiles/towns/4/4/8")
    assert queries() == before + 1


def test_purged_tiles_are_made_anew_and_others_are_not(app: Flask, run: Run, towns: str) -> None:
    here, there = "/tiles/towns/4/8/5", "/tiles/towns/4/4/8"
    assert (names(app, here), names(app, there)) == ({"Vaduz"}, {"Quito"})
    with psycopg.connect(towns, autocommit=True) as connection:
        connection.execute("UPDATE public.towns SET name = name || '!'")
    assert (names(app, here), names(app, there)) == ({"Vaduz"}, {"Quito"})
    done = run("purge", "towns", "--bbox", "9,47,10,48", "--zoom", "4-6")
    assert done.exit_code == 0, done.output
    wait_for(lambda: names(app, here) == {"Vaduz!"})
    assert names(app, there) == {"Quito"}
    assert names(app, "/tiles/towns/4/8/5?columns=name") == {"Vaduz!"}


def test_purging_all_means_composites_too(app: Flask, run: Run, towns: str) -> None:
    address = "/tiles/towns,lakes/4/8/5"

    def together() -> set[str]:
        layers = decoded(get(app, address))
        return {feature["properties"]["name"] for layer in layers.values() for feature in layer["features"]}

    assert together() == {"Vaduz", "Walensee"}
    with psycopg.connect(towns, autocommit=True) as connection:
        connection.execute("UPDATE public.lakes SET name = name || '!'")
    assert together() == {"Vaduz", "Walensee"}
    told = run("purge", "--all", "--zoom", "2-6", "--format", "json")
    assert json.loads(told.output.splitlines()[-1]) == {"layer": None, "bbox": None, "zooms": [2, 6]}
    wait_for(lambda: together() == {"Vaduz", "Walensee!"})


def test_stats_count_what_lies_there(app: Flask, run: Run, redis_url: str) -> None:
    assert json.loads(run("stats", "--format", "json").output) == []
    get(app, "/tiles/towns/4/8/5")
    get(app, "/tiles/towns/4/4/8")
    [row] = json.loads(run("stats", "--format", "json").output)
    assert (row["layer"], row["tiles"]) == ("public.towns", 2)
    assert row["bytes"] > 100
    with redis.Redis.from_url(redis_url) as client:
        taken = [client.memory_usage(key) or 0 for key in client.scan_iter("flagstone:t*")]
    assert len(taken) == 2
    assert row["memory"] == sum(taken) > row["bytes"] + 2 * 100
    told = run("stats").output
    assert f"{sum(taken) / 2:,.0f}" in told
    assert "memory a tile" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["warm", "nowhere", "--zoom", "0"], "no layer 'nowhere'"),
        (["warm", "towns", "--zoom", "8-2"], "zooms go up"),
        (["warm", "towns", "--zoom", "x"], "neither a zoom"),
        (["warm", "towns", "--zoom", "0-3", "--bbox", "1,2,3"], "is not west,south,east,north"),
        (["warm", "towns", "--zoom", "0-3", "--bbox", "nan,0,1,1"], "no box of longitudes"),
        (["warm", "towns", "--zoom", "0-3", "--rate", "0"], "rate"),
        (["warm", "towns", "--zoom", "28-30"], "has no tiles there"),
        (["purge"], "Name a layer, or say --all"),
        (["purge", "towns", "--all"], "Name a layer, or say --all"),
        (["purge", "nowhere"], "no layer 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code != 0
    assert said in done.output


def test_caches_of_workers_are_out_of_reach_and_that_is_said(towns: str, make_app: MakeApp) -> None:
    runner = make_app(towns).test_cli_runner()
    for arguments in (["stats"], ["purge", "--all"], ["warm", "towns", "--zoom", "0"]):
        done = runner.invoke(args=["cache", *arguments])
        assert done.exit_code == 1
        assert "CACHE_TYPE is memory" in done.output


def test_warming_goes_on_where_it_was_interrupted(towns: str, redis_url: str, run: Run) -> None:
    arguments = ["cache", "warm", "towns", "--zoom", "0-6", "--bbox", "-80,-2,11,48", "--rate", "20"]
    running = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "DATABASE_URL": towns, "CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url},
    )  # fmt: skip
    try:
        wait_for(lambda: bool(json.loads(run("stats", "--format", "json").output)))
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=20)
    finally:
        running.kill()
    assert running.returncode == 1 and "Traceback" not in said, said
    found = re.search(r"Interrupted: (\d+) tiles? made, 0 there already\. The same command goes on from there\.", said)
    assert found is not None, said
    again = run(*arguments[1:-2]).output.splitlines()[-1]
    # One or two were under way.
    kept = re.fullmatch(r"\d+ tiles made, (\d+) there already\.", again)
    assert kept is not None and int(found[1]) <= int(kept[1]) <= int(found[1]) + 4, (said, again)
