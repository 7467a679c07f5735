"""Addresses behind nginx: forged headers, an outer proxy, a site under a path."""

import re
from urllib.parse import urljoin

import pytest

from tests.conftest import Serve
from tests.nginx.conftest import TILE
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import SITE, Proxy, ask


def tile_address(site: str, path: str = "/sample.countries/tilejson.json", **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    found: str = ask(site, path, sent).json["tiles"][0]
    return found


def test_tile_addresses_are_those_of_the_site(site: str) -> None:
    assert tile_address(site) == f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, Host="localhost:8000").startswith("http://localhost:8000/tiles/")


FORGED = {
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Port": "6666",
    "X_Forwarded_Prefix": "/evil",
    "X_Forwarded_For": "6.6.6.6",
    "Forwarded": "host=evil.example;proto=https",
    "X_Script_Name": "/evil",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_header_is_not_believed_and_not_kept(site: str, name: str) -> None:
    expected = f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, **{name: FORGED[name]}) == expected
    assert tile_address(site) == expected


def test_header_with_underscores_does_not_become_a_path(site: str) -> None:
    assert "evil" not in ask(site, "/sample.countries/tilejson.json", {"SCRIPT_NAME": "/evil"}).body.decode()


def test_application_that_trusts_no_proxy_believes_none(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database)
    headers = {name: value for name, value in FORGED.items() if name != "X_Script_Name"}
    assert tile_address(app.url, **headers) == f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"


def test_outer_proxy_is_believed_only_when_told(proxy: Proxy, app: Gunicorn) -> None:
    headers = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "outer.example", "X_Forwarded_For": "6.6.6.6, 7.7.7.7"}
    told = proxy(app, ("# 10.0.0.5/32  1;", "127.0.0.1/32 1;")).url
    assert tile_address(told, **headers) == "https://outer.example/tiles/sample.countries/{z}/{x}/{y}"
    assert tile_address(told).startswith(f"http://{SITE}/")
    assert tile_address(told, X_Forwarded_Proto="gopher", X_Forwarded_Port="70").startswith(f"http://{SITE}/")


def test_site_under_a_path_has_right_addresses_and_pages(proxy: Proxy, app: Gunicorn) -> None:
    site = proxy(app, ("# 10.0.0.5/32  1;", "127.0.0.1/32 1;"), ("/maps", "/tiles-prefix"), with_prefix=True).url
    document = "/tiles-prefix/sample.countries/tilejson.json"
    expected = f"https://{SITE}/tiles-prefix/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, document, X_Forwarded_Proto="https") == expected
    assert tile_address(site, document, X_Forwarded_Proto="https", X_Forwarded_Prefix="/evil") == expected
    assert [ask(site, f"/tiles-prefix{TILE}").kept for _ in range(2)] == ["MISS", "HIT"]

    viewer = "/tiles-prefix/sample.countries/viewer"
    page = ask(site, viewer)
    assert page.status == 200
    assets = re.findall(r'(?:src|href)="([^"#?]+\.(?:js|css|svg))"', page.body.decode())
    assert assets
    for asset in assets:
        assert ask(site, urljoin(viewer, asset)).status == 200, asset

    assert ask(site, "/tiles-prefix/metrics").status == 403
    assert ask(site, "/sample.countries/tilejson.json").status == 404


@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_path_reaches_the_application_as_it_was_written(proxy: Proxy, app: Gunicorn, prefix: str) -> None:
    site = proxy(app, with_prefix=bool(prefix)).url
    slash = ask(site, f"{prefix}/tiles/a%2Fb/1/2/3")
    assert (slash.status, "~2F" in slash.json["detail"]) == (404, True)
    dots = ask(site, f"{prefix}/x/..{prefix}/sample.countries/tilejson.json")
    assert dots.status == 404
