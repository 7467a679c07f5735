"""A tile that fails where the catalog says that it should not: did the layer change, or are its own rows at fault?"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..errors import LayerChanged, QueryFailed, RowsAtFault
from ..layers.identity import Identity
from .catalog import Catalog
from .catalog_store import CatalogStore

T = TypeVar("T")

_AGAIN_S = 15.0
_MOST = 1000


@dataclass(slots=True)
class _Failure:
    """Of one definition of a layer: the catalog in which it stood when it failed first, and when to look again."""

    catalog: weakref.ref[Catalog]
    look_at: float


class SecondLook:
    """Reads the catalog again where a layer does not fit it. One that fails and did not change fails by itself."""

    def __init__(self, store: CatalogStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._failures: dict[str, _Failure] = {}
        self._lock = threading.Lock()

    def after(self, error: LayerChanged | RowsAtFault, who: Identity, again: Callable[[], T]) -> T:
        """What `again` gives, where the layer did change.

        QueryFailed where a newer catalog says the same of it; the error itself while there is none, and always where
        it says what is wrong with the rows.
        """
        failure = self._failure(error.digest)
        catalog = self._newest(failure)
        if error.digest not in catalog.digests(error.layer_id, who):
            return again()
        if failure.catalog() is catalog or isinstance(error, RowsAtFault):
            raise error
        raise QueryFailed(f"The database refused the query for layer {error.layer_id}.") from error

    def _failure(self, digest: str) -> _Failure:
        catalog = self._store.catalog()
        with self._lock:
            if len(self._failures) >= _MOST:
                self._failures.clear()
            return self._failures.setdefault(digest, _Failure(weakref.ref(catalog), float("-inf")))

    def _newest(self, failure: _Failure) -> Catalog:
        """Each tile of a layer whose rows are at fault leads here: only now and then it is worth a look."""
        catalog = self._store.catalog()
        now = self._clock()
        if failure.catalog() is catalog or now >= failure.look_at:
            failure.look_at = now + _AGAIN_S
            catalog = self._store.reload_if_due()
        return catalog
