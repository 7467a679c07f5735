"""Who asks: a database role and the claims that a setting names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """A database role and named claims; `role` None is the login itself.

    It is part of every look-up in the catalog and of every cache key, so that two identities
    never share an answer by accident.
    """

    role: str | None = None
    claims: tuple[tuple[str, str], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the request runs as the login itself, without role or claims."""
        return self.role is None and not self.claims


ANONYMOUS = Identity()
"""The explicit identity of a request that brought no credentials."""
