"""`flask changes install | uninstall | status`: who may, who owns what, and that writers notice nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from app.repository.changes.objects import WRITER
from tests.change_logs import install, uninstall, watching
from tests.conftest import Login, MakeApp
from tests.overview_builds import overview
from tests.servers.postgres import url

POINT = "'SRID=4326;POINT(9.5 47.1)'"
VADUZ = (9.5, 47.1, 9.5, 47.1, 4326.0)
Run = Callable[..., Any]


@pytest.fixture
def towns(database: str) -> str:
    run_sql(
        database,
        "CREATE TABLE public.town (id serial PRIMARY KEY, geom geometry(Point, 4326))",
        "CREATE TABLE public.river (id serial PRIMARY KEY, geom geometry(LineString, 3857))",
    )
    return database


@pytest.fixture
def flask_changes(make_app: MakeApp, towns: str) -> Run:
    """`flask_changes("install", "town")` runs the command and gives its output; `fails=True` where it has to fail."""

    def run(*arguments: str, dsn: str = towns, fails: bool = False, **settings: Any) -> str:
        result = make_app(dsn, **settings).test_cli_runner().invoke(args=["changes", *arguments])
        assert (result.exit_code != 0) == fails, result.output
        return str(result.output)

    return run


def run_sql(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        for statement in statements:
            connection.execute(statement.encode())


def followed(output: str) -> dict[str, str]:
    return {row["layer"]: row["followed"] for row in json.loads(output)["layers"]}


def test_install_status_and_uninstall(flask_changes: Run, towns: str) -> None:
    assert followed(flask_changes("status", "--format", "json")) == {
        "public.river": "no",
        "public.town": "no",
    }
    assert "public.town: triggers on 1 table." in flask_changes("install", "town")
    assert followed(flask_changes("status", "--format", "json")) == {
        "public.river": "no",
        "public.town": "yes",
    }
    assert "nothing tells of its changes" in flask_changes("status")
    [river, town] = json.loads(flask_changes("install", "--all", "--format", "json"))
    assert (river["table_name"], town["table_name"], town["owner"]) == ("river", "town", WRITER)
    assert "town: no triggers any more" in flask_changes("uninstall", "town")
    assert "There were no triggers to take off." in flask_changes("uninstall", "town")
    assert json.loads(flask_changes("uninstall", "town", "--format", "json")) == []
    flask_changes("install", "town")
    assert json.loads(flask_changes("uninstall", "town", "--format", "json")) == [{"table": "public.town"}]
    assert followed(flask_changes("status", "--format", "json")) == {
        "public.river": "yes",
        "public.town": "no",
    }
    flask_changes("uninstall", "--all")
    with psycopg.connect(towns) as connection:
        left = connection.execute("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'flagstone'").fetchone()
        assert left == (0,)
        functions = connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname ~ '^change_[0-9]+$'"
        ).fetchone()
        assert functions == (0,)


def test_to_install_again_changes_nothing_and_waits_for_nobody(towns: str) -> None:
    install(towns, "town")
    with psycopg.connect(towns) as writer:
        # Whoever puts a trigger on the table would have to wait for this transaction, and give up.
        writer.execute(f"INSERT INTO public.town (geom) VALUES ({POINT})".encode())
        install(towns, "town")


def test_a_table_that_is_locked_is_said_and_nothing_is_changed(
    flask_changes: Run, towns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.repository.changes.install._LOCK_TIMEOUT_S", 1)
    with psycopg.connect(towns) as writer:
        writer.execute(f"INSERT INTO public.town (geom) VALUES ({POINT})".encode())
        said = flask_changes("install", "town", fails=True)
    assert "public.town, or a table below it, was in use by other transactions" in said
    assert followed(flask_changes("status", "--format", "json"))["public.town"] == "no"


def test_unknown_layers_and_no_layers_are_explained(flask_changes: Run) -> None:
    assert "Name the layers, or say --all" in flask_changes("install", fails=True)
    assert "There is no layer 'twon'" in flask_changes("install", "twon", fails=True)


def test_writer_without_any_right_on_the_schema_writes_as_before(towns: str, login: Login) -> None:
    install(towns, "town")
    writer = login(towns, "changes_writer", "GRANT INSERT, UPDATE, DELETE, SELECT, TRUNCATE ON public.town TO changes_writer",
                   "GRANT USAGE ON SEQUENCE public.town_id_seq TO changes_writer")  # fmt: skip
    with watching(towns) as written:
        run_sql(writer, f"INSERT INTO town (geom) VALUES ({POINT})", "DELETE FROM town", "TRUNCATE town")
        assert [found for _, found in written.news()] == [[VADUZ], [VADUZ], None]
    for statement in (
        "SELECT flagstone.changed('public.town')", "SELECT flagstone.change_prune()", "SELECT flagstone.change_told(1, NULL)",
        "INSERT INTO flagstone.change (relation) VALUES (1)", "SELECT * FROM flagstone.change",
    ):  # fmt: skip
        with pytest.raises(InsufficientPrivilege):
            run_sql(writer, statement)


def test_writer_with_a_hostile_search_path_cannot_lead_the_trigger_astray(towns: str, login: Login) -> None:
    install(towns, "town")
    writer = login(towns, "changes_writer", "GRANT INSERT ON public.town TO changes_writer",
                   "GRANT USAGE ON SEQUENCE public.town_id_seq TO changes_writer",
                   "CREATE SCHEMA own AUTHORIZATION changes_writer")  # fmt: skip
    with watching(towns) as written:
        run_sql(
            writer,
            "CREATE FUNCTION own.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'mine'; END $$",
            "CREATE FUNCTION own.random() RETURNS float8 LANGUAGE plpgsql AS $$ BEGIN RAISE 'mine'; END $$",
            "SET search_path = own, pg_catalog, public",
            f"INSERT INTO public.town (geom) VALUES ({POINT})",
        )
        assert written.news() == [("town", [VADUZ])]


def test_only_who_was_named_may_tell_of_changes(towns: str, login: Login, flask_changes: Run) -> None:
    job = login(towns, "changes_job")
    flask_changes("install", "town", "--grant-changed", "changes_job")
    with watching(towns) as written:
        run_sql(
            job, "SELECT flagstone.changed('town')", "SELECT flagstone.changed('town', 9.5, 47.1, 9.5, 47.1)"
        )
        assert written.news() == [("town", None), ("town", [VADUZ])]
    with pytest.raises(InsufficientPrivilege):
        run_sql(job, "SELECT flagstone.change_prune()")


def test_a_role_that_is_not_there_is_said_before_anything_is_changed(towns: str, flask_changes: Run) -> None:
    said = flask_changes("install", "town", "--grant-changed", "nobody_s_job", fails=True)
    assert "There is no role nobody_s_job in this server. Nothing was changed." in said
    assert followed(flask_changes("status", "--format", "json"))["public.town"] == "no"
    with psycopg.connect(towns) as connection:
        assert connection.execute("SELECT to_regclass('flagstone.change')").fetchone() == (None,)


def test_status_says_a_fault_once(flask_changes: Run, towns: str) -> None:
    assert flask_changes("install", "town").splitlines() == ["public.town: triggers on 1 table."]
    run_sql(towns, "ALTER TABLE town DISABLE TRIGGER ALL")
    said = flask_changes("status")
    assert said.count("lacks triggers, or they are disabled") == 1
    assert "with those below it" in said


def test_postgis_in_a_schema_of_its_own_that_nobody_may_use(gis_database: str, login: Login) -> None:
    run_sql(
        gis_database,
        "REVOKE ALL ON SCHEMA gis FROM PUBLIC",
        "CREATE TABLE town (id int, geom gis.geometry(Point, 4326))",
    )
    install(gis_database, "town", postgis="gis")
    writer = login(
        gis_database,
        "changes_writer",
        "GRANT INSERT ON public.town TO changes_writer",
        "GRANT USAGE ON SCHEMA gis TO changes_writer",
    )
    with watching(gis_database) as written:
        run_sql(writer, f"INSERT INTO town VALUES (1, {POINT})")
        assert written.news() == [("town", [VADUZ])]


@pytest.mark.parametrize("attributes", ["", "CREATEROLE"])
def test_admin_that_is_no_superuser_owns_the_functions_where_it_has_to(
    towns: str, login: Login, flask_changes: Run, attributes: str
) -> None:
    name = _name(towns)
    admin = login(towns, "changes_admin", f'GRANT CREATE ON DATABASE "{name}" TO changes_admin', "ALTER TABLE public.town OWNER TO changes_admin",
                  attributes=attributes)  # fmt: skip
    reader = login(towns, "changes_reader", "GRANT SELECT ON public.town TO changes_reader")
    writer = login(towns, "changes_writer", "GRANT INSERT ON public.town TO changes_writer",
                   "GRANT USAGE ON SEQUENCE public.town_id_seq TO changes_writer")  # fmt: skip
    said = flask_changes("install", "public.town", dsn=reader, FLAGSTONE_ADMIN_DATABASE_URL=admin)
    handed = "run with the rights of changes_admin" not in said
    assert handed == bool(attributes)
    with psycopg.connect(towns) as connection:
        owners = connection.execute(
            "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'flagstone'::regnamespace"
        ).fetchall()
        assert owners == [(WRITER if handed else "changes_admin",)]
        may = connection.execute(
            "SELECT has_schema_privilege(%s, 'flagstone', 'CREATE')", [WRITER]
        ).fetchone()
        assert may == (False,)
    with watching(towns) as written:
        run_sql(writer, f"INSERT INTO town (geom) VALUES ({POINT})")
        assert written.news() == [("town", [VADUZ])]
    assert followed(flask_changes("status", "--format", "json", dsn=reader))["public.town"] == "yes"
    flask_changes("install", "public.town", dsn=reader, FLAGSTONE_ADMIN_DATABASE_URL=admin)


def test_admin_that_may_not_touch_the_table_is_told_what_the_database_said(
    towns: str, login: Login, flask_changes: Run
) -> None:
    admin = login(towns, "changes_admin", f'GRANT CREATE ON DATABASE "{_name(towns)}" TO changes_admin')
    said = flask_changes("install", "public.town", FLAGSTONE_ADMIN_DATABASE_URL=admin, fails=True)
    assert "permission denied for table town" in said
    assert followed(flask_changes("status", "--format", "json"))["public.town"] == "no"


def test_reader_without_rights_on_the_log_serves_with_time_to_live(
    towns: str, login: Login, flask_changes: Run
) -> None:
    install(towns, "town")
    stranger = login(towns, "changes_stranger", "GRANT SELECT ON public.town TO changes_stranger")
    assert followed(flask_changes("status", "--format", "json", dsn=stranger)) == {"public.town": "no"}


def test_a_newer_schema_is_left_alone(towns: str, flask_changes: Run) -> None:
    run_sql(
        towns,
        "CREATE SCHEMA flagstone",
        "CREATE TABLE flagstone.version (version int NOT NULL)",
        "INSERT INTO flagstone.version VALUES (99)",
    )
    assert "made by a newer Flagstone" in flask_changes("install", "town", fails=True)


def test_default_privileges_give_nobody_the_log(towns: str, login: Login) -> None:
    login(towns, "changes_stranger", "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO changes_stranger",
          "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")  # fmt: skip
    install(towns, "town")
    with psycopg.connect(towns) as connection:
        may = connection.execute(
            "SELECT bool_or(has_table_privilege('changes_stranger', c.oid, 'SELECT, INSERT')) FROM pg_class c"
            " WHERE c.relnamespace = 'flagstone'::regnamespace AND c.relname ~ '^change' AND c.relkind = 'r'"
        ).fetchone()
        assert may == (False,)


def test_a_table_dropped_and_made_again_is_followed_when_it_is_installed_again(
    towns: str, flask_changes: Run
) -> None:
    install(towns, "town")
    run_sql(towns, "DROP TABLE town", "CREATE TABLE town (id int, geom geometry(Point, 4326))")
    said = json.loads(flask_changes("status", "--format", "json"))
    assert {row["layer"]: row["followed"] for row in said["layers"]}["public.town"] == "no"
    assert [row["fault"] for row in said["tables"]] == ["public.town is gone"]
    flask_changes("install", "town")
    said = json.loads(flask_changes("status", "--format", "json"))
    assert [row["fault"] for row in said["tables"]] == [None]


def test_what_was_dropped_can_be_forgotten_by_its_name(towns: str, flask_changes: Run) -> None:
    install(towns, "town", "river")
    run_sql(towns, "DROP TABLE town")
    said = flask_changes("uninstall", "public.town")
    assert "public.town: no triggers any more." in said
    assert [row["table"] for row in json.loads(flask_changes("status", "--format", "json"))["tables"]] == ["public.river"]
    assert "no layer 'public.town'" in flask_changes("uninstall", "public.town", fails=True)
    assert "--all" in flask_changes("uninstall", fails=True)


def test_a_renamed_table_stays_followed(towns: str, flask_changes: Run) -> None:
    install(towns, "town")
    run_sql(
        towns,
        "ALTER TABLE town RENAME TO village",
        "CREATE SCHEMA other",
        "ALTER TABLE village SET SCHEMA other",
    )
    said = json.loads(flask_changes("status", "--format", "json"))
    assert {row["layer"]: row["followed"] for row in said["layers"]}["other.village"] == "yes"
    assert [row["table"] for row in said["tables"]] == ["other.village"]
    uninstall(towns, "other.village")


def test_two_databases_of_one_cluster_share_the_role(towns: str, gis_database: str) -> None:
    run_sql(gis_database, "CREATE TABLE town (id int, geom gis.geometry(Point, 4326))")
    [one] = install(towns, "town")
    [other] = install(gis_database, "town", postgis="gis")
    assert one.owner == other.owner == WRITER


def _name(dsn: str) -> str:
    with psycopg.connect(url(dsn)) as connection:
        return str(connection.info.dbname)


def test_notify_is_switched_on_and_off_and_stays_as_it_is(flask_changes: Run, towns: str) -> None:
    def heard() -> int:
        with psycopg.connect(towns, autocommit=True) as listener:
            listener.execute("LISTEN flagstone_changes")
            run_sql(towns, f"INSERT INTO public.town (geom) VALUES ({POINT})")
            return len(list(listener.notifies(timeout=0.5, stop_after=1)))

    def is_on(**settings: Any) -> bool:
        return bool(json.loads(flask_changes("status", "--format", "json", **settings))["notifies"])

    flask_changes("install", "public.town")
    assert (heard(), is_on()) == (0, False)
    assert "no change is a NOTIFY" in flask_changes("status", FLAGSTONE_CHANGES_LISTEN=True)
    flask_changes("install", "public.town", "--notify")
    assert (heard(), is_on()) == (1, True)
    assert "nobody listens" in flask_changes("status")
    flask_changes("install", "public.town")
    assert (heard(), is_on()) == (1, True)
    flask_changes("install", "public.town", "--no-notify")
    assert (heard(), is_on()) == (0, False)
    with psycopg.connect(towns) as connection:
        row = connection.execute("SELECT count(*) FROM pg_proc WHERE proname = 'change_notify'").fetchone()
    assert row == (0,)


def test_a_writer_without_rights_writes_where_changes_notify(flask_changes: Run, towns: str, login: Login) -> None:
    flask_changes("install", "public.town", "--notify")
    writer = login(
        towns, "flagstone_pen", "GRANT INSERT ON public.town TO flagstone_pen", "GRANT USAGE ON SEQUENCE public.town_id_seq TO flagstone_pen"
    )
    with psycopg.connect(towns, autocommit=True) as listener:
        listener.execute("LISTEN flagstone_changes")
        run_sql(writer, f"INSERT INTO public.town (geom) VALUES ({POINT})")
        assert len(list(listener.notifies(timeout=2, stop_after=1))) == 1


def test_a_log_that_is_in_use_is_left_as_it_was(flask_changes: Run, towns: str) -> None:
    flask_changes("install", "public.town")
    with psycopg.connect(towns) as writer:
        writer.execute(f"INSERT INTO public.town (geom) VALUES ({POINT})".encode())
        assert "in use for 5 seconds" in flask_changes("install", "public.town", "--notify", fails=True)
    assert not json.loads(flask_changes("status", "--format", "json"))["notifies"]


def test_status_names_layers_whose_low_zooms_wait_for_a_refresh(flask_changes: Run, towns: str) -> None:
    run_sql(towns, f"INSERT INTO public.town (geom) SELECT {POINT} FROM generate_series(1, 50)")
    overview(towns, "public.town", range(2))
    flask_changes("install", "--all")

    def waits() -> list[str]:
        found = json.loads(flask_changes("status", "--format", "json"))["layers"]
        return [row["layer"] for row in found if row["low_zooms_wait"]]

    assert waits() == []
    run_sql(towns, "INSERT INTO public.river (geom) VALUES ('SRID=3857;LINESTRING(0 0, 1 1)')")
    assert waits() == [], "of a table that has none"
    run_sql(towns, "DELETE FROM public.town WHERE id = 1")
    assert waits() == ["public.town"]
    assert "overviews refresh`: public.town." in flask_changes("status")
