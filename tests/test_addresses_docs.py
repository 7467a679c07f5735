"""docs/addresses.md is true: each address of its tables answers as its row says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import get

PAGE = Path(__file__).parents[1] / "docs" / "addresses.md"
SERVERS = {
    "TiMVT 0.7": {"layer": ["sample.countries"]},
    "pg_tileserv": {"id": ["sample.countries", "sample.cities"], "schema.table": ["sample.countries"]},
    "Martin": {"id": ["countries", "cities"]},
    "tipg": {"id": ["sample.countries"]},
    "OGC API Tiles": {"id": ["sample.countries"]},
}
"""The page's sections, and what stands for a layer in their addresses."""
PLACE = {"z": "4", "x": "8", "y": "5", "row": "5", "column": "8", "grid": "WebMercatorQuad", "name": "x"}


def rows() -> list[tuple[str, str, str]]:
    """Section, address and what the row says of it."""
    found, section = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        if section not in SERVERS or not line.startswith("| `/"):
            continue
        addresses, said = (cell.strip() for cell in line.strip("|").split(" | ", 1))
        found += [(section, address, said) for address in re.findall(r"`(/[^`]*)`", addresses)]
    return found


def filled(section: str, address: str, function: str) -> str:
    names = {**SERVERS[section], "schema.function": [function], **{name: [value] for name, value in PLACE.items()}}
    if address.startswith("/function/"):
        names["layer"] = [function]
    taken: dict[str, int] = {}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        place = taken[name] = taken.get(name, -1) + 1
        return names[name][place]

    return re.sub(r"\{([^}]*)\}", value, address)


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    made = make_app(sample_database)
    made.extensions["flagstone"].catalog.reload()
    return made


def test_every_server_has_its_table() -> None:
    assert {section for section, _, _ in rows()} == set(SERVERS)
    assert len(rows()) > 60


def test_each_address_answers_as_its_row_says(app: Flask) -> None:
    function = (get(app, "/functions.json").json or [])[0]["id"]
    for section, address, said in rows():
        expected = (301,) if said.startswith("leads to") else (404,) if said.startswith("404") else (200, 204)
        path = filled(section, address, function)
        response = get(app, path)
        assert response.status_code in expected, (section, path, response.get_data(as_text=True)[:300])
        response.close()


def test_the_same_address_leads_on_to_something(app: Flask) -> None:
    for section, address, said in rows():
        if said.startswith("leads to") and "{name}" not in address:
            path = filled(section, address, "")
            target = re.sub(r"^[./]+", "/", get(app, path).headers["Location"])
            assert get(app, target).status_code == 200, (section, path, target)
