"""`filter`, `filter-lang` and `filter-crs` of a request, and filters of the configuration."""

from __future__ import annotations

from ...errors import BadParameter
from ..finished_tiles import no_rows
from ..identity import Identity
from ..layer import Layer, RowLayer
from ..parameters import Arguments, only, shown
from . import from_json, from_text
from .checking import checked
from .syntax import FilterError, Syntax
from .systems import CRS84, asked_system
from .tree import Expression

TEXT = "cql2-text"
JSON = "cql2-json"


def asked_filter(layer: Layer, arguments: Arguments, identity: Identity) -> Expression | None:
    """The condition that a request puts on a layer's rows; None where it puts none. BadParameter says where it is wrong,
    or that the layer has no rows to choose from.

    Only columns that the identity may read can be named: who may not read a column must not learn of it from a filter.
    """
    if not isinstance(layer, RowLayer):
        refuse_filter(layer, arguments)
        return None
    text = only(arguments, "filter")
    if not text:
        return None
    # An empty parameter is one that a form left out.
    language, crs = only(arguments, "filter-lang") or None, only(arguments, "filter-crs")
    if language not in (None, TEXT, JSON):
        raise BadParameter("filter-lang", f"filter-lang must be {TEXT} or {JSON}, not {shown(language)}.")
    system = asked_system(crs, layer.geometry.crs) if crs else CRS84
    try:
        return checked(_read(text, language), layer, layer.columns_for(identity), system)
    except FilterError as error:
        raise BadParameter("filter", f"filter, {error}") from None


def refuse_filter(layer: Layer, arguments: Arguments) -> None:
    """BadParameter where a filter is asked of a layer that has finished tiles in place of rows."""
    if only(arguments, "filter"):
        raise no_rows(layer, "filter")


def parse_for(layer: RowLayer, text: str, lang: str | None = None) -> Expression:
    """A filter of the configuration, on any column of the layer, coordinates in CRS84. FilterError says where it is wrong."""
    if lang not in (None, TEXT, JSON):
        raise FilterError("character 1", f"the language must be {TEXT} or {JSON}, not {shown(lang)}.")
    return checked(_read(text, lang), layer, layer.columns)


def _read(text: str, language: str | None) -> Syntax:
    """Where no language is given, what begins with a brace is JSON: no text does."""
    if language == JSON or (language is None and text.lstrip().startswith("{")):
        return from_json.read(text)
    return from_text.read(text)
