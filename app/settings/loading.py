"""All settings together: where their values come from, what refuses them, and what is shown of them.

A value that cannot be used stops the start with the variable's name, and is never repeated: it may be a password.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self

from dotenv import find_dotenv, load_dotenv
from pydantic import SecretStr, ValidationError, model_validator

from ..errors import ConfigurationError
from .cache import CacheSettings
from .catalog import CatalogSettings
from .database import DatabaseSettings
from .declaration import names_of
from .events import EventSettings
from .tiles import TileSettings
from .web import ProcessSettings, WebSettings

log = logging.getLogger(__name__)

_WITHOUT_MEANING = frozenset({"TIMVT_DEBUG", "DB_MAX_QUERIES", "TIMVT_TEMPLATE_DIRECTORY"})
"""TiMVT's settings for which there is nothing to set here."""


# pydantic begins with the fields of the last base, and so do the tables that people read.
class Settings(ProcessSettings, WebSettings, EventSettings, CacheSettings, TileSettings, CatalogSettings, DatabaseSettings):
    """The settings of one Flagstone; see `table()` for the table that people read."""

    @model_validator(mode="after")
    def _pool_is_large_enough(self) -> Self:
        if self.pool_min_size > self.connections:
            raise ValueError("FLAGSTONE_POOL_MIN_SIZE must not be above FLAGSTONE_POOL_SIZE or FLAGSTONE_THREADS")
        return self

    @model_validator(mode="after")
    def _somebody_can_listen(self) -> Self:
        if self.changes_listen and self.transaction_pooling:
            raise ValueError("FLAGSTONE_CHANGES_LISTEN needs a session of its own: it cannot be had with FLAGSTONE_TRANSACTION_POOLING")
        return self

    @classmethod
    def load(cls) -> Settings:
        """From the environment, and from `.env` for what the environment does not say.

        `.env` is found as flask finds it, upwards from the working directory, so that flask and gunicorn agree. It
        enters the process environment because libpq reads PGSERVICEFILE, PGSSLMODE and the like there itself.
        """
        load_dotenv(find_dotenv(usecwd=True), override=False)
        environment = {name: value for name, value in os.environ.items() if value != ""}
        settings = cls._from(environment)
        for old, new in settings.old_names_in(environment):
            log.warning("%s is read as %s; please rename it", old, new)
        known = cls.variables() | cls._old_names().keys()
        for name in sorted(name for name in environment if name.startswith("FLAGSTONE_") and name not in known):
            like = get_close_matches(name, known, 1)
            log.warning("%s is no setting of Flagstone%s", name, f"; did you mean {like[0]}?" if like else "")
        for name in _WITHOUT_MEANING & environment.keys():
            log.warning("%s has no meaning for Flagstone and is not used", name)
        return settings

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """From the given variables alone (`DATABASE_URL=…, CACHE_TYPE=…`), for tests and host applications."""
        unknown = values.keys() - cls.variables() - cls._old_names().keys()
        if unknown:
            raise ConfigurationError(f"no such setting: {', '.join(sorted(unknown))}")
        return cls._from(values)

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Settings:
        known = cls.variables() | cls._old_names().keys()
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except ValidationError as error:
            # Not the text of the error as it is: it quotes values, and a value may be a password.
            raise ConfigurationError("; ".join(map(_fault, error.errors()))) from None

    @classmethod
    def variables(cls) -> set[str]:
        """The names of all settings in the environment."""
        return {names_of(field)[0] for field in cls.model_fields.values()}

    @classmethod
    def _old_names(cls) -> dict[str, str]:
        return {old: names[0] for names in map(names_of, cls.model_fields.values()) for old in names[1:]}

    @classmethod
    def old_names_in(cls, environment: Mapping[str, str]) -> list[tuple[str, str]]:
        """Names of TiMVT's that are in use: (old, ours). flask-caching's own name is no old name."""
        old_names = cls._old_names().items()
        return [(old, new) for old, new in old_names if old in environment and not old.startswith("CACHE_")]

    @classmethod
    def table(cls) -> list[tuple[str, Any, str, tuple[str, ...]]]:
        """Every setting as (variable, default, help, other names), in the order of `.env.example`."""
        rows = []
        for field in cls.model_fields.values():
            name, *others = names_of(field)
            rows.append((name, field.default, field.description or "", tuple(others)))
        return rows

    def shown(self) -> dict[str, Any]:
        """The values in force by variable, for people: secrets as `********`."""
        return {
            names_of(field)[0]: "********" if isinstance(value := getattr(self, attribute), SecretStr) else value
            for attribute, field in type(self).model_fields.items()
        }

    @property
    def connections(self) -> int:
        """Connections of one worker's pool."""
        return self.pool_size or self.threads


def _fault(fault: Mapping[str, Any]) -> str:
    """What is wrong with a setting; what is wrong with several of them names them itself."""
    said = fault["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, fault['loc']))}: {said}" if fault["loc"] else said
