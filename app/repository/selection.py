"""Which relations are published: patterns of the settings, grants, and what can be read at all."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..settings import Settings
from .relations import Relation


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


def _matches(patterns: tuple[str, ...], *names: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)
