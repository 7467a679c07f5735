"""ACCENTI: text compared without its accents, in the database as in Python, alone and beside CASEI."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.layers.column import Column
from app.layers.cql2.accents import MARKS, unaccented
from app.layers.cql2.asked import parse_for
from app.layers.cql2.tree import Property, Unaccented
from app.repository.filter_sql import condition
from app.repository.postgis import PostGIS
from scripts.lib import CHECKOUT
from tests.catalogs import catalog_of
from tests.conftest import MakeApp
from tests.cql2_filtered import application, ids, refused
from tests.servers.postgres import DatabaseServer, url

# An É of one character, and one of two.
_NAMES = ["Élan", "E\u0301lan", "elan", "ELAN", "Straße", "Strasse", "Tromsø", "Łódź", "각하", "が", "Οδός", "100%", "a_b", "über\\", None]


def op(name: str, *args: Any) -> dict[str, Any]:
    return {"op": name, "args": list(args)}


def column(name: str) -> dict[str, str]:
    return {"property": name}


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION citext")
        connection.execute("CREATE TYPE label AS ENUM ('é', 'e', 'f')")
        connection.execute(
            'CREATE TABLE words (id int PRIMARY KEY, word text, short varchar(20) COLLATE "C", fixed char(8), folded citext,'
            " label label, geom geometry(Point, 4326))"
        )
        for number, name in enumerate(_NAMES, 1):
            label = "éef"[number % 3]
            connection.execute(
                "INSERT INTO words VALUES (%s, %s, %s, %s, %s, %s, 'SRID=4326;POINT(1 1)')", (number, name, name, name, name, label)
            )
    yield made
    server.drop(made)


@pytest.fixture(scope="module")
def app(dsn: str) -> Iterator[Flask]:
    with application(dsn) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ACCENTI(word) = ACCENTI('Élan')", [1, 2]),
        ("ACCENTI(word) = 'Elan'", [1, 2]),
        # As it is written: no word without accents has one.
        ("ACCENTI(word) = 'Élan'", []),
        ("ACCENTI('Élan') = ACCENTI(word)", [1, 2]),
        ("ACCENTI(CASEI(word)) = ACCENTI(CASEI('éLÁN'))", [1, 2, 3, 4]),
        ("CASEI(ACCENTI(word)) = CASEI(ACCENTI('éLÁN'))", [1, 2, 3, 4]),
        # The collation C knows no É, but E.
        ("ACCENTI(CASEI(short)) = CASEI(ACCENTI('éLÁN'))", [1, 2, 3, 4]),
        ("ACCENTI(ACCENTI(word)) <> ACCENTI('Élan') AND word LIKE 'e%'", [3]),
        ("ACCENTI(word) IN (ACCENTI('Élàn'), ACCENTI('Łódź'), 'x')", [1, 2, 8]),
        ("ACCENTI(word) IN ('Łodz')", [8]),
        ("CASEI(ACCENTI(word)) IN (CASEI(ACCENTI('ÉLAN')), 'x')", [1, 2, 3, 4]),
        ("ACCENTI(word) NOT IN (ACCENTI('Élan')) AND ACCENTI(word) LIKE 'e%'", [3]),
        ("ACCENTI(word) LIKE ACCENTI('É%')", [1, 2, 4]),
        ("CASEI(ACCENTI(word)) LIKE CASEI(ACCENTI('_LÁN'))", [1, 2, 3, 4]),
        ("ACCENTI(word) LIKE ACCENTI('100\\%')", [12]),
        ("ACCENTI(word) LIKE ACCENTI('ü%\\\\%')", [14]),
        ("ACCENTI(word) BETWEEN 'Ek' AND 'Em'", [1, 2]),
        # Letters of their own are no letters with an accent.
        ("ACCENTI(word) = 'Strasse'", [6]),
        ("ACCENTI(word) = ACCENTI('Straße')", [5]),
        ("ACCENTI(word) = 'Tromso'", []),
        ("ACCENTI(word) = 'Οδος'", [11]),
        # Nor do other scripts fall apart.
        ("ACCENTI(word) LIKE '__' AND ACCENTI(word) = '각하'", [9]),
        ("ACCENTI(word) = 'か'", []),
        ("ACCENTI(word) = ACCENTI(short)", [*range(1, 15)]),
        ("ACCENTI(word) = ACCENTI(fixed) AND ACCENTI(fixed) = 'Elan'", [1, 2]),
        ("ACCENTI(fixed) LIKE 'Elan'", [1, 2]),
        ("ACCENTI(folded) = ACCENTI('ÉLAN')", [1, 2, 3, 4]),
        ("ACCENTI(folded) IN (ACCENTI('ÉLAN'), 'X')", [1, 2, 3, 4]),
        ("ACCENTI(folded) LIKE ACCENTI('É%')", [1, 2, 3, 4]),
        ("CASEI(ACCENTI(folded)) = CASEI('ELAN')", [1, 2, 3, 4]),
        ("ACCENTI(label) = 'e'", [n for n in range(1, 16) if "éef"[n % 3] in "ée"]),
        ("ACCENTI(word) IS NULL", [15]),
        ("NOT ACCENTI(word) = 'Elan' AND id > 12", [13, 14]),
        ("ACCENTI('é') = 'e' AND id = 1", [1]),
    ],
)  # fmt: skip
def test_accents_do_not_count(text: str, found: list[int], app: Flask) -> None:
    assert ids(app, "words", text) == found


_ELAN = op("accenti", "Élan")


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (op("=", op("accenti", column("word")), _ELAN), [1, 2]),
        (op("in", op("accenti", column("word")), [_ELAN, "x"]), [1, 2]),
        (op("like", op("casei", op("accenti", column("word"))), op("casei", op("accenti", "É%"))), [1, 2, 3, 4]),
        (op("between", op("accenti", column("word")), _ELAN, _ELAN), [1, 2]),
    ],
)
def test_it_is_an_operator_of_json_too(document: Any, found: list[int], app: Flask) -> None:
    assert ids(app, "words", json.dumps(document), filter_lang="cql2-json") == found


@pytest.mark.parametrize("value", ["word", "short", "fixed", "folded", "label", "CASEI(word)", "CASEI(folded)", "'é'", "CASEI('É')"])
def test_it_runs_on_every_text(value: str, app: Flask) -> None:
    for other in ("ACCENTI(word)", "ACCENTI(folded)", "ACCENTI(CASEI(label))", "'é'", "fixed", "CASEI(short)"):
        for text in (f"ACCENTI({value}) = {other}", f"{other} <> ACCENTI({value})", f"ACCENTI({value}) IN ({other}, 'x')"):
            ids(app, "words", text)
    for pattern in ("ACCENTI('é%')", "CASEI(ACCENTI('É'))", "ACCENTI('')", "'x_'"):
        ids(app, "words", f"ACCENTI({value}) LIKE {pattern}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ACCENTI(id) = 'x'", "at character 9: ACCENTI takes text; column 'id' (integer) is none"),
        ("ACCENTI(1) = 'x'", "ACCENTI takes text; the number 1 is none"),
        ("ACCENTI(word, word) = 'x'", "accenti takes 1 argument, not 2"),
        ("ACCENTI() = 'x'", "accenti takes 1 argument, not 0"),
        ("ACCENTI(word)", "text is no condition"),
        ("ACCENTI(geom) = 'x'", "is a geometry"),
        ("word LIKE ACCENTI(short)", "the pattern of LIKE must be text in quotes, or CASEI or ACCENTI of it"),
        # The accent stood between the backslash and the end.
        ("ACCENTI(word) LIKE ACCENTI('x\\\u0301')", "the pattern ends with a backslash"),
    ],
)
def test_what_is_no_text_is_400(text: str, said: str, app: Flask) -> None:
    assert said in refused(app, "words", text)


def test_python_and_the_database_agree_on_every_character(dsn: str) -> None:
    # What this Python's tables do not know yet, another version of PostgreSQL may.
    known = [chr(code) for code in range(1, sys.maxunicode) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    written = condition(parse_of_words("ACCENTI(word) = 'x'"), PostGIS("public", (3, 3, 0), "")).text.as_string(None)
    side = written.partition(" OPERATOR")[0].lstrip("(").replace('"source"."word"', "source.word")
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            b"SELECT source.word, " + side.encode() + b" FROM pg_catalog.unnest(%s::text[]) AS source (word)", [known]
        ).fetchall()
    assert len(rows) == len(known) > 200_000
    assert [word for word, found in rows if found != unaccented(word)] == []


def parse_of_words(text: str) -> Any:
    from tests.cql2_layers import TABLE

    return parse_for(TABLE, text.replace("word", "name"))


def test_an_index_on_the_same_expression_is_used(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE many AS SELECT n AS id, 'É' || n AS word, 'SRID=4326;POINT(1 1)'::geometry(Point, 4326) AS geom"
            " FROM generate_series(1, 20000) n"
        )
        expression = f"lower(normalize(regexp_replace(normalize(word, NFD), '{MARKS}', '', 'g'), NFC))"
        connection.execute(f"CREATE INDEX many_plain ON many ({expression})".encode())
        connection.execute("ANALYZE many")
        layer = next(each for each in catalog_of(dsn).layers if each.id == "public.many")
        found = condition(parse_for(layer, "CASEI(ACCENTI(word)) = CASEI(ACCENTI('é77'))"), PostGIS("public", (3, 3, 0), ""))  # type: ignore[arg-type]
        plan = connection.execute(b"EXPLAIN SELECT 1 FROM many AS source WHERE " + found.text.as_bytes(None), found.values).fetchall()
        assert "many_plain" in str(plan)
        connection.execute("DROP TABLE many")


def test_the_page_on_filters_has_that_expression() -> None:
    text = (CHECKOUT / "docs" / "filters.md").read_text()
    assert f"'{MARKS}', '', 'g'), NFC)));" in text


def test_a_collation_that_regular_expressions_cannot_take_is_400(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
        connection.execute("CREATE TABLE words (id int PRIMARY KEY, a text COLLATE loose, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO words VALUES (1, 'Éb', 'SRID=4326;POINT(1 1)')")
    app = make_app(database)
    assert ids(app, "words", "a = 'eB'") == [1]
    assert "cannot be used with the collation of this column" in refused(app, "words", "ACCENTI(a) = 'Eb'")


def test_a_database_that_is_not_utf8_cannot_tell_accents_and_says_so(server_dsn: str, make_app: MakeApp) -> None:
    name = f"flagstone_accents_{os.getpid()}"
    with psycopg.connect(server_dsn, autocommit=True) as keeper:
        keeper.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        try:
            dsn = url(server_dsn, dbname=name)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION postgis")
                connection.execute("CREATE TABLE words (id int PRIMARY KEY, word text, geom geometry(Point, 4326))")
                connection.execute("INSERT INTO words VALUES (1, 'elan', 'SRID=4326;POINT(1 1)')")
            app = make_app(dsn)
            assert ids(app, "words", "CASEI(word) = CASEI('ELAN')") == [1]
            for text in ("ACCENTI(word) = 'elan'", "CASEI(ACCENTI(word)) LIKE 'e%'", "ACCENTI(word) IS NULL"):
                assert "ACCENTI needs a database whose encoding is UTF8" in refused(app, "words", text)
            app.extensions["flagstone"].close()
        finally:
            keeper.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_both_orders_of_case_and_accents_are_one_condition() -> None:
    wanted = repr(parse_of_words("CASEI(ACCENTI(word)) = CASEI(ACCENTI('É'))"))
    for text in ("ACCENTI(CASEI(word)) = ACCENTI(CASEI('É'))", "CASEI(ACCENTI(CASEI(word))) = CASEI('E')"):
        assert repr(parse_of_words(text)) == wanted
    assert repr(Unaccented(Property(Column("name", "text", "text", "S")))) in wanted
