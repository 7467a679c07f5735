"""A catalog on a database, without Flask."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.repository.catalog import Catalog
from app.repository.catalog_store import CatalogStore
from app.repository.pool import Pool
from app.settings import Settings


@contextmanager
def catalog_store(dsn: str, **settings: Any) -> Iterator[CatalogStore]:
    """A store that reads nothing ahead until it is opened."""
    given = Settings.of(DATABASE_URL=dsn, **settings)
    pool = Pool(given)
    store = CatalogStore(pool, given)
    try:
        yield store
    finally:
        store.close()
        pool.close()


def catalog_of(dsn: str, **settings: Any) -> Catalog:
    """The catalog of a database as it is now."""
    with catalog_store(dsn, **settings) as store:
        return store.catalog()


def reasons(catalog: Catalog) -> dict[str, str]:
    """Why what was left out was: by `schema.name` or `schema.name.column`."""
    return {
        f"{left.schema}.{left.name}" + (f".{left.column}" if left.column else ""): left.reason
        for left in catalog.rejected
    }
