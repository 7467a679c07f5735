"""Ten thousand drawn requests: none is a 500, none brings to light what it must not. `python -m bench.fuzz` sends more."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from werkzeug.wrappers import Request, Response

from app import create_app
from app.settings import Settings
from bench import fuzz
from bench.fuzz_layers import read
from bench.fuzz_requests import Requests, Sent
from tests.servers.postgres import DatabaseServer

COUNT = 10_000
SEED = 4


@pytest.fixture(scope="module")
def prepared(server: DatabaseServer, template: str) -> str:
    """A database with the sample and with what must stay hidden, for its superuser."""
    made = server.create(template)
    fuzz.prepared(made)
    return made


def test_ten_thousand_requests_are_answered_and_keep_what_is_hidden(server: DatabaseServer, prepared: str) -> None:
    with server.role(prepared, fuzz.LOGIN, "") as dsn:
        verdict = fuzz.run(dsn, COUNT, SEED)
    print(fuzz.report(verdict))
    assert not verdict.faults, fuzz.report(verdict)
    assert verdict.count == COUNT
    assert verdict.share >= 0.5, fuzz.report(verdict)
    assert verdict.statuses[503] + verdict.statuses[504] < COUNT / 1000


def test_same_seed_draws_the_same_requests(server: DatabaseServer, prepared: str) -> None:
    with server.role(prepared, fuzz.LOGIN, "") as dsn:
        layers = read(dsn)
    one, other = iter(Requests(layers, 1)), iter(Requests(layers, 1))
    assert [next(one) for _ in range(500)] == [next(other) for _ in range(500)]
    known = {layer.id for layer in layers}
    assert {"sample.countries", "public.open_places"} <= known and "public.canary_table" not in known


def test_hidden_column_is_answered_as_one_that_is_not_there(server: DatabaseServer, prepared: str) -> None:
    with server.role(prepared, fuzz.LOGIN, "") as dsn:
        app = create_app(Settings.of(DATABASE_URL=dsn))
        try:
            for query in ("filter={} = 'x'", "columns={}", "sortby={}", "{}=x", "geom-column={}", "datetime=2020-01-01&datetime-column={}"):
                hidden, absent = (
                    app.test_client().get(f"/tiles/public.open_places/10/538/358?{query.format(name)}", headers={"X-Request-Id": "one"})
                    for name in ("canary_hidden", "not_a_column_")
                )
                assert hidden.status_code == absent.status_code, query
                assert hidden.get_data().replace(b"canary_hidden", b"not_a_column_") == absent.get_data(), query
        finally:
            app.extensions["flagstone"].close()


def test_function_that_cannot_read_its_query_string_is_400_and_names_it(server: DatabaseServer, prepared: str) -> None:
    with server.role(prepared, fuzz.LOGIN, "") as dsn:
        app = create_app(Settings.of(DATABASE_URL=dsn))
        try:
            for value in ("many", "99999999999999999999", "1&at_least=2"):
                answer = app.test_client().get(f"/tiles/sample.cities_in_box/2/2/1?at_least={value}")
                assert answer.status_code == 400, answer.get_data()
                assert answer.get_json()["parameter"] == "at_least" and "cities_in_box" in answer.get_json()["detail"]
        finally:
            app.extensions["flagstone"].close()


# --- the judge finds what it is to find ---------------------------------------------------------------------------


def served(answer: Callable[[Request], Response]) -> Any:
    return Request.application(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: Response("sorry", 500), "500"),
        (lambda _: Response("… canary-of-table …"), "canary-of-table"),
        (lambda _: Response("", headers={"X-Note": "canary-of-row"}), "canary-of-row"),
        (lambda _: Response('relation "x"', 400), "relation"),
        (lambda _: Response('psycopg.errors.SyntaxError: syntax error at or near "x"', 400), "syntax error"),
        (lambda _: Response("there is no column canary_hidden", 404), "canary_hidden"),
    ],
)
def test_planted_fault_is_found(answer: Callable[[Request], Response], said: str) -> None:
    verdict = fuzz.judged(served(answer), [Sent("GET", "/tiles/a/0/0/0?b=c%FF", ())])
    assert any(said in fault for fault in verdict.faults)


def test_repeating_what_was_asked_is_no_fault() -> None:
    answer = served(lambda request: Response(f"there is no column {request.args['columns']}", 400))
    assert not fuzz.judged(answer, [Sent("GET", "/tiles/a/0/0/0?columns=canary_hidden", ())]).faults


def test_database_has_what_must_stay_hidden(prepared: str) -> None:
    with psycopg.connect(prepared) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM canary_table), (SELECT count(*) FROM open_places WHERE canary_hidden = 'canary-of-column'),"
            " (SELECT count(*) FROM secret_rows WHERE name = 'canary-of-row')").fetchone()  # fmt: skip
    assert found is not None and all(found)
