"""Faults of the layers file: each is told with file, table and key, and stops the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.layers.layers_file import parse
from tests.conftest import MakeApp


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[layers", "not TOML"),
        ("a = ", "not TOML"),
        ('[layers."public.a"]\ntitle = "a"\ntitle = "b"', "not TOML"),
        ("layer = {}", "[top level] layer: there is no such key; layers is one"),
        ("layers = 5", "layers"),
        ('layers."public.a" = 5', '[layers."public.a"]'),
        ('[layers."public.a"]\nminzom = 3', '[layers."public.a"] minzom: there is no such key; minzoom is one'),
        ('[layers.public.a]\ntitle = "a"', '[layers."public"] a: there is no such key'),
        ('[layers."public.a"]\nminzoom = "3"', '[layers."public.a"] minzoom: '),
        ('[layers."public.a"]\nminzoom = 3.0', '[layers."public.a"] minzoom: '),
        ('[layers."public.a"]\nminzoom = true', '[layers."public.a"] minzoom: '),
        ('[layers."public.a"]\nminzoom = 31', '[layers."public.a"] minzoom: '),
        ('[layers."public.a"]\nminzoom = 5\nmaxzoom = 4', '[layers."public.a"]: minzoom must not be above maxzoom'),
        ('[layers."public.a"]\ntitle = 5', '[layers."public.a"] title: '),
        ('[layers."public.a"]\nhidden = "yes"', '[layers."public.a"] hidden: '),
        ('[layers."public.a"]\nhidden = 1', '[layers."public.a"] hidden: '),
        ('[layers."public.a"]\nlimit = 0', '[layers."public.a"] limit: '),
        ('[layers."public.a"]\nttl_s = -1', '[layers."public.a"] ttl_s: '),
        ('[layers."public.a"]\nextent = 100000000000000000000000', '[layers."public.a"] extent: '),
        ('[layers."public.a"]\ncolumns = "a"', '[layers."public.a"] columns: must be a list of names'),
        ('[layers."public.a"]\ncolumns = ["a", 5]', '[layers."public.a"] columns: must be a list of names'),
        ('[layers."public.a"]\nrank = 5', '[layers."public.a"] rank: must be a list of names'),
        ('[layers."public.a"]\nbounds = [1, 2, 3]', '[layers."public.a"] bounds: must be [west, south, east, north]'),
        ('[layers."public.a"]\nbounds = [1, 5, 3, 4]', '[layers."public.a"] bounds: must be [west, south, east, north]'),
        ('[layers."public.a"]\nbounds = [nan, 1, 3, 4]', '[layers."public.a"] bounds: must be [west, south, east, north]'),
        ('[layers."public.a"]\nfilter = ""', '[layers."public.a"] filter: '),
        ('[layers."public.a"]\nfilter_lang = "cql2-text"', '[layers."public.a"]: filter_lang needs a filter'),
        ("[composites.base]", '[composites."base"] layers: is missing'),
        ("[composites.base]\nlayers = []", '[composites."base"] layers: '),
        ("[composites.base]\nlayers = [5]", '[composites."base"] layers[0]'),
        ('[composites.base]\nlayers = "public.a"', '[composites."base"] layers: must be a list'),
        ('[composites.base]\nlayers = ["public.a", {layer = "public.b", nam = "x"}]',
         '[composites."base"] layers[1] (public.b) nam: there is no such key; name is one'),
        ('[composites.base]\nlayers = [{name = "x"}]', '[composites."base"] layers[0] layer: is missing'),
        ('[composites.base]\nlayers = ["public.a", "public.a"]', "two of its layers are called 'public.a'"),
        ('[composites."a.b"]\nlayers = ["public.a"]', "'a.b' cannot be the name of a composite"),
        ('[composites."a,b"]\nlayers = ["public.a"]', "'a,b' cannot be the name of a composite"),
        ('[composites.""]\nlayers = ["public.a"]', "'' cannot be the name of a composite"),
        ('[composites.tiles]\nlayers = ["public.a"]', "word of Flagstone's own addresses"),
        ('[composites.WebMercatorQuad]\nlayers = ["public.a"]', "id of a tile matrix set"),
        ("a = " + "[" * 5000, "layers.toml"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_file_table_and_key(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "layers.toml")
    assert str(caught.value).startswith("layers.toml")
    assert said in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse('[layers."a.a"]\nminzoom = "x"\nfoo = 1\n[layers."a.b"]\nlimit = 0', "f")
    assert all(place in str(caught.value) for place in ('[layers."a.a"] minzoom', '[layers."a.a"] foo', '[layers."a.b"] limit'))


def test_an_empty_file_says_nothing() -> None:
    assert (parse("", "f").layers, parse("# only this", "f").composites) == ({}, {})


@pytest.mark.parametrize("text", ["[layers", '[layers."public.a"]\nfoo = 1'])
def test_a_broken_file_stops_the_start(text: str, tmp_path: Path, make_app: MakeApp) -> None:
    path = tmp_path / "layers.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"layers\.toml"):
        make_app("postgresql://nobody@127.0.0.1:1/x", FLAGSTONE_LAYERS_FILE=str(path))


def test_a_file_that_is_not_there_or_no_text_stops_the_start(tmp_path: Path, make_app: MakeApp) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing.toml", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            make_app("postgresql://nobody@127.0.0.1:1/x", FLAGSTONE_LAYERS_FILE=str(path))
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        make_app("postgresql://nobody@127.0.0.1:1/x", FLAGSTONE_LAYERS_FILE=str(binary))
