"""deploy/nginx.conf in a real nginx, in front of a real gunicorn with the sample."""

from collections.abc import Callable, Iterator

import pytest

from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx
from tests.servers.site import Proxy

TILE = "/tiles/sample.countries/4/8/5"


@pytest.fixture
def proxy(nginx: Callable[[str, int], Nginx]) -> Proxy:
    return Proxy(nginx)


@pytest.fixture(scope="module")
def app(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    """Flagstone with the sample, as the docs say it is to run behind nginx. No test stops it."""
    settings = {"DATABASE_URL": sample_database, "FLAGSTONE_TRUSTED_PROXIES": "1"}
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), settings) as running:
        yield running


@pytest.fixture
def site(proxy: Proxy, app: Gunicorn) -> str:
    """Address of an nginx with an empty cache in front of `app`."""
    return proxy(app).url
