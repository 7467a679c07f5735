"""Which relations and functions are published: patterns of the settings, grants, and what can be read at all."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Protocol

from ..settings import Settings
from .relations import Relation

OWN_SCHEMA = "flagstone"


class Candidate(Protocol):
    """A function that may be a layer. `callers` are the roles that may execute it."""

    @property
    def schema(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def extension(self) -> str | None: ...
    @property
    def callers(self) -> list[str] | None: ...


def refusal(relation: Relation, settings: Settings) -> str | None:
    """Why a relation is no layer, before a look at its geometry; None where it may be one."""
    if relation.extension is not None:
        return f"belongs to the extension {relation.extension}"
    if not _matches(settings.schemas, relation.schema):
        return "its schema is not among FLAGSTONE_SCHEMAS"
    if _matches(settings.exclude_schemas, relation.schema):
        return "its schema is excluded by FLAGSTONE_EXCLUDE_SCHEMAS"
    names = (relation.name, f"{relation.schema}.{relation.name}")
    if not _matches(settings.tables, *names):
        return "it is not among FLAGSTONE_TABLES"
    if _matches(settings.exclude_tables, *names):
        return "it is excluded by FLAGSTONE_EXCLUDE_TABLES"
    if not relation.readers:
        return "neither the login nor a role that it may take may use its schema and read it"
    if not relation.is_populated:
        return "it was never filled; REFRESH MATERIALIZED VIEW fills it"
    return None


def function_refusal(function: Candidate, settings: Settings) -> str | None:
    """Why a function is no layer, whatever it takes and returns; None where it may be one.

    What somebody installed in Flagstone's own schema is there to be served: FLAGSTONE_SCHEMAS need not name it.
    """
    if function.extension is not None:
        return f"belongs to the extension {function.extension}"
    if function.schema != OWN_SCHEMA and not _matches(settings.schemas, function.schema):
        return "its schema is not among FLAGSTONE_SCHEMAS"
    if _matches(settings.exclude_schemas, function.schema):
        return "its schema is excluded by FLAGSTONE_EXCLUDE_SCHEMAS"
    names = (function.name, f"{function.schema}.{function.name}")
    if not _matches(settings.functions, *names):
        return "it is not among FLAGSTONE_FUNCTIONS"
    if _matches(settings.exclude_functions, *names):
        return "it is excluded by FLAGSTONE_EXCLUDE_FUNCTIONS"
    if not function.callers:
        return "neither the login nor a role that it may take may use its schema and execute it"
    return None


def _matches(patterns: tuple[str, ...], *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
