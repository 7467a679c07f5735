"""The tree of Flagstone's own exceptions. No HTTP in it: `blueprints/errors.py` holds the table of status codes.

    FlagstoneError
    ├── ConfigurationError        a setting is wrong, or the database is not one that can be served
    ├── RequestError              the request itself is at fault; the message names what and what is allowed
    │   ├── NotFound              no such layer, grid or tile; carries the nearest names
    │   └── BadParameter          a parameter has a value that cannot be used
    ├── Unavailable               try again later; carries the seconds to wait
    │   ├── LayerChanged          the table or a column went away between catalog and tile
    │   ├── LayerLocked           another session holds the table locked
    │   ├── PoolExhausted         no connection became free in time
    │   └── DatabaseDown          the database does not answer
    ├── TileTimeout               the statement timeout ended the tile's query
    ├── AccessDenied              the database refused to read the relation
    ├── QueryFailed               the database refused the statement for another reason
    │   └── RowsAtFault           a value in the layer's rows made it fail: a cast, a division
    ├── SampleError               the sample could not be loaded
    ├── InstallError              a file's functions could not be put into the database
    └── OverviewError             an overview could not be planned, built or dropped

Messages are sentences for the person who made the request. They never hold text that came from the database server.
"""

from __future__ import annotations

from typing import TypeVar

_E = TypeVar("_E", bound=Exception)


class FlagstoneError(Exception):
    """Something that Flagstone can explain."""


class ConfigurationError(FlagstoneError):
    """A setting cannot be used, or the database cannot be served."""


class RequestError(FlagstoneError):
    """The request names something that cannot be given."""


class NotFound(RequestError):
    """There is no such thing. `nearest` are ids that look like the one that was asked for."""

    def __init__(self, message: str, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nearest = nearest


class BadParameter(RequestError):
    """A parameter's value cannot be used; `parameter` is its name in the request."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


class Unavailable(FlagstoneError):
    """Nothing is wrong with the request, but it cannot be answered now. `retry_after` is in seconds."""

    retry_after = 1


class LayerChanged(Unavailable):
    """The layer's table or one of its columns changed since the catalog was read.

    Or its rows are at fault: only the catalog, read again, can tell. `layer_id` and `digest` are what was read of
    which layer, empty where it was no tile.
    """

    layer_id = ""
    digest = ""


class LayerLocked(Unavailable):
    """Another session holds the layer's table locked."""


class PoolExhausted(Unavailable):
    """No database connection became free within the pool timeout."""


class DatabaseDown(Unavailable):
    """The database does not answer."""

    retry_after = 2


class TileTimeout(FlagstoneError):
    """The tile's query was ended by the statement timeout."""


class AccessDenied(FlagstoneError):
    """The database login, or the request's role, may not read this layer."""


class QueryFailed(FlagstoneError):
    """The database refused the tile's query."""


class RowsAtFault(QueryFailed):
    """The tile's query failed on a value: a cast, a division, a number out of range.

    Most of the time the layer's own view has such a row. A column that has another type now looks the same, so the
    catalog is looked at once more. `layer_id` and `digest` are what was read of which layer, empty where it was no tile.
    """

    layer_id = ""
    digest = ""


class SampleError(FlagstoneError):
    """The sample data could not be loaded."""


class InstallError(FlagstoneError):
    """The functions of a file could not be put into the database; nothing was changed."""


class OverviewError(FlagstoneError):
    """The overview of a layer could not be planned, built or dropped. What had been built before stays."""


def copied(error: _E) -> _E:
    """The same error as another object, for a thread that raises what another one was told."""
    # Not copy.copy: it calls the constructor with `args`, and ours take other arguments.
    made = type(error).__new__(type(error), *error.args)
    made.__dict__.update(error.__dict__)
    return made
