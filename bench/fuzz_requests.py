"""Requests drawn from a seed: most of them sensible, some wrong, some malicious."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from .fuzz_layers import Known, tile

GRIDS = ("WebMercatorQuad", "WorldCRS84Quad", "EuropeanETRS89_LAEAQuad", "CDB1GlobalGrid", "GNOSISGlobalGrid", "WGS1984Quad")
_NASTY = (
    "'", '"', "';--", "' OR 1=1 --", "\\", "%", "%s", "%(x)s", "{}", "{z}", "\x00", "\n", "\r\nX-Evil: 1", "é", "\U0001f5fa", "‮",
    "..", "../../etc/passwd", "~2F", "~00", "~", "$1", "${jndi:x}", "<script>", "NULL", "nan", "inf", "-0", "1e400", "9" * 40, "0x10",
    " 1", "1 ", "+1", "1_000", "٣", "true", "[]", "{", "(" * 60, "a" * 3000, ",", ",,", "*", "public", "pg_catalog.pg_authid",
    "canary_table", "public.canary_table", "canary_hidden", "canary_constraint", "information_schema.tables", "current_user",
)  # fmt: skip
_FUNCTIONS = ("pg_sleep(5)", "pg_read_file('/etc/passwd')", "current_user()", "version()", "CASEI(name)", "ACCENTI(name)", "lower(name)",
              "query_to_xml('select * from canary_table', true, true, '')", "set_config('x', 'y', false)")  # fmt: skip
_DOCUMENTS = (
    "/", "/?f=html", "/?f=json&q=road", "/tables.json", "/functions.json", "/tileMatrixSets", "/api", "/api.html", "/livez", "/readyz",
    "/healthz", "/health", "/conformance", "/collections", "/collections?limit=2&offset=1", "/tiles", "/index.json", "/catalog",
    "/metrics", "/tileMatrixSets/WebMercatorQuad", "/tileMatrixSets/CDB1GlobalGrid", "/static/flagstone.css", "/openapi.json",
    "/docs", "/index.html",
)  # fmt: skip


_ESCAPES = ("kind = 'closed'", "1 = 1 OR 1 = 1", "NOT (kind = 'open')", "name LIKE 'canary%' OR kind = 'closed'", "kind = 'closed') OR (1 = 1",
            "kind IN ('closed', 'open')", "kind IS NOT NULL OR kind IS NULL")  # fmt: skip


class Sent(NamedTuple):
    """A GET (or another method) as bytes go over the line: `target` is the path and query string, percent-encoded."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]


class Requests:
    """An endless row of requests; the same seed and layers give the same ones."""

    def __init__(self, layers: Sequence[Known], seed: int) -> None:
        self._layers = [layer for layer in layers if layer.places]
        self._draw = random.Random(seed)
        self._kinds: tuple[tuple[int, Callable[[], str]], ...] = (
            (40, self._tile), (12, self._parameters), (12, self._filtered), (5, self._composite), (8, self._old_address),
            (8, self._document), (4, self._function), (4, self._json_filter), (4, self._other_grid), (4, self._wrong_parameter), (4, self._wrong_path),
            (3, self._wrong_filter), (2, self._secret),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Sent]:
        weights = [weight for weight, _ in self._kinds]
        while True:
            [(_, make)] = self._draw.choices(self._kinds, weights)
            target = make()
            method = self._draw.choices(("GET", "HEAD", "OPTIONS", "POST"), (95, 3, 1, 1))[0]
            yield Sent(method, target, tuple(self._headers()))

    # --- requests that should be answered

    def _tile(self) -> str:
        layer = self._layer()
        return f"/tiles/{self._name(layer)}/{self._zxy(layer)}{self._suffix()}"

    def _parameters(self) -> str:
        layer = self._layer()
        chosen = self._draw.sample(self._known_parameters(layer), k=self._draw.randint(1, 4))
        return f"/tiles/{quote(layer.id)}/{self._zxy(layer)}?{'&'.join(chosen)}"

    def _filtered(self) -> str:
        layer = self._layer()
        text = self._condition(layer, self._draw.randint(0, 3))
        return f"/tiles/{quote(layer.id)}/{self._zxy(layer)}?filter={quote_plus(text)}"

    def _composite(self) -> str:
        layers = self._draw.sample(self._layers, k=self._draw.randint(2, 4))
        names = ",".join(quote(layer.id, safe="") for layer in layers)
        own = self._draw.choice(("", f"?{quote(layers[0].id)}.limit=5", f"?{quote(layers[1].id)}.filter=1%3D1",
                                f"?{quote(layers[0].id)}.columns=", "?collections=x", "?limit=3", "?columns=", "?clip=false"))
        return f"/tiles/{names}/{self._zxy(layers[0])}{own}"

    def _old_address(self) -> str:
        layer = self._layer()
        zoom, column, row = self._zxy(layer).split("/")
        part, bare = quote(layer.id, safe=""), quote(layer.id.partition(".")[2], safe="")
        return self._draw.choice((
            f"/{part}/{zoom}/{column}/{row}.pbf", f"/{bare}/{zoom}/{column}/{row}", f"/{part}.json", f"/{bare}", f"/table/{part}.json",
            f"/collections/{part}", f"/collections/{part}/queryables", f"/collections/{part}/tiles",
            f"/collections/{part}/tiles/WebMercatorQuad/{zoom}/{row}/{column}", f"/collections/{part}/tiles/WebMercatorQuad/tilejson.json",
            f"/tiles/WebMercatorQuad/{zoom}/{row}/{column}?collections={part}", f"/{part}.html", f"/{bare}/{zoom}/{column}/{row}.mlt",
        ))  # fmt: skip

    def _document(self) -> str:
        if self._draw.random() < 0.5:
            return self._draw.choice(_DOCUMENTS)
        part = quote(self._layer().id, safe="")
        return f"/{part}/{self._draw.choice(('tilejson.json', 'style.json', 'viewer', 'tilejson.json?minzoom=2&maxzoom=9&columns=id'))}"

    def _function(self) -> str:
        name, arguments = self._draw.choice((
            ("public.squares", ("size=0.3", "label=x&count=7", "count=3", "size=x", "count=99999999999", "label={}")),
            ("sample.roads_by_kind", ("kinds=residential,track", "named_only=true", "kinds={}", "named_only={}")),
            ("sample.cities_in_box", ("at_least=500000", "at_least={}", "at_least=1&at_least=2")),
            ("sample.countries_by_query", ("continent=Europe", "continent={}", "a=[1,2]&b=true")),
            ("large_cities", ("min_population=5000000", "country=CH", "min_population={}", "country={}", "filter=population>1", "limit=3")),
            ("quarters", ("limit=3", "columns=")),
        ))  # fmt: skip
        given = self._draw.choice(("", *arguments)).replace("{}", self._encoded(self._nasty()))
        return f"/tiles/{name}/{self._zxy(self._layer())}{'?' if given else ''}{given}"

    def _json_filter(self) -> str:
        layer = self._layer()
        name = self._draw.choice(list(layer.values))
        value: object = self._draw.choice(layer.values[name] or ("x",))
        if layer.kinds[name] in ("int4", "int8"):
            value = int(str(value)) + self._draw.randint(-1, 1)
        operator = self._draw.choice(("=", "<>", "<", ">=", "like", "in", "isNull", "not", "casei", "s_intersects", "pg_sleep"))
        document = {"op": "or", "args": [{"op": operator, "args": [{"property": name}, value]}, {"op": "=", "args": [1, 1]}]}
        if self._draw.random() < 0.6:
            document = {"op": "or", "args": [{"op": "isNull", "args": [{"property": name}]}, {"op": "=", "args": [1, 1]}]}
        return f"/tiles/{quote(layer.id)}/{self._zxy(layer)}?filter-lang=cql2-json&filter={quote_plus(json.dumps(document))}"

    def _other_grid(self) -> str:
        zoom = self._draw.randint(0, 4)
        place = f"{zoom}/{self._draw.randint(0, 1 << zoom)}/{self._draw.randint(0, 1 << zoom)}"
        return f"/tiles/{self._draw.choice(GRIDS)}/{quote(self._layer().id)}/{place}"

    # --- requests that should be refused

    def _wrong_parameter(self) -> str:
        layer = self._layer()
        name = self._draw.choice((
            "columns", "properties", "limit", "resolution", "buffer", "clip", "simplify", "sortby", "ids", "bbox", "bbox-crs", "datetime",
            "datetime-column", "geom-column", "filter", "filter-lang", "filter-crs", "TileMatrixSetId", "collections", "f", "", "id",
            *layer.values,
        ))  # fmt: skip
        return f"/tiles/{quote(layer.id)}/{self._zxy(layer)}?{quote_plus(name)}={self._encoded(self._nasty())}"

    def _wrong_path(self) -> str:
        parts = self._tile().partition("?")[0].split("/")[1:]
        for _ in range(self._draw.randint(1, 2)):
            place = self._draw.randrange(len(parts))
            match self._draw.randrange(4):
                case 0:
                    parts[place] = self._encoded(self._nasty())
                case 1:
                    parts[place] += self._encoded(self._nasty())
                case 2:
                    parts.insert(place, self._draw.choice(("", "tiles", "..", "%2F", "collections", "WebMercatorQuad")))
                case _:
                    del parts[place]
                    parts = parts or [""]
        return "/" + "/".join(parts)

    def _wrong_filter(self) -> str:
        layer = self._layer()
        text = list(self._condition(layer, 2))
        for _ in range(self._draw.randint(1, 3)):
            text.insert(self._draw.randint(0, len(text)), self._draw.choice((*_NASTY, *_FUNCTIONS, " OR ", ")", "(", "NOT ", ".", "=")))
        language = self._draw.choice(("", "&filter-lang=cql2-json", "&filter-lang=cql2-text", "&filter-lang=sql"))
        return f"/tiles/{quote(layer.id)}/{self._zxy(layer)}?filter={self._encoded(''.join(text)[:4000])}{language}"

    def _secret(self) -> str:
        layer = self._layer()
        zxy = self._zxy(layer)
        attack = self._draw.choice(("canary_hidden", '"canary_hidden"', "canary_note", "pg_authid.rolname", "geom", "ctid", "tableoid", "xmin"))
        condition = self._draw.choice((
            f"{attack} LIKE 'canary%'", f"{attack} = 'canary-of-column'", f"EXISTS (SELECT 1 FROM canary_table) OR {attack} IS NULL",
            f"1 = 1) UNION SELECT {attack} FROM canary_table --",
        ))  # fmt: skip
        return self._draw.choice((
            f"/tiles/public.open_places/{zxy}?filter={quote_plus(condition)}",
            f"/tiles/public.open_places/{zxy}?columns={quote_plus(attack)}",
            f"/tiles/public.open_places/{zxy}?sortby=-{quote_plus(attack)}&limit=1",
            f"/tiles/public.open_places/{zxy}?{quote_plus(attack)}=x",
            f"/tiles/public.canary_table/{zxy}", "/table/public.canary_table.json", f"/canary_table/{zxy}", "/public.canary_table.json",
            "/collections/public.canary_table", f"/tiles/public.open_places,public.canary_table/{zxy}",
            f"/tiles/public.open_places/{zxy}?geom-column={quote_plus(attack)}", "/api?layer=public.canary_table", "/api?layer=public.open_places",
            "/table/public.open_places.json", "/collections/public.open_places/queryables", f"/tiles/public.secret_rows/{zxy}",
            f"/tiles/public.filtered_places/{zxy}?filter={quote_plus(self._draw.choice(_ESCAPES))}",
            f"/tiles/public.filtered_places/{zxy}?kind=closed", f"/tiles/public.filtered_places/{zxy}?name=canary-of-filter",
            f"/tiles/public.filtered_places/{zxy}?ids=2,4,6", f"/tiles/public.filtered_places/{zxy}?sortby=kind&limit=5",
            f"/public.filtered_places/{zxy}.pbf?filter=kind%3D%27closed%27", f"/filtered_places/{zxy}?clip=false&kind=closed",
            f"/tiles/public.secret_rows/{zxy}?filter={quote_plus(chr(39).join(('name LIKE ', 'canary%', '')))}",
        ))  # fmt: skip

    # --- parts

    def _layer(self) -> Known:
        return self._draw.choice(self._layers)

    def _name(self, layer: Known) -> str:
        return quote(layer.id, safe="" if self._draw.random() < 0.5 else ",~ ") if self._draw.random() < 0.8 else quote(layer.id.partition(".")[2])

    def _zxy(self, layer: Known) -> str:
        zoom = self._draw.choice((0, 2, 4, 6, 8, 9, 10, 11, 12, 12, 13, 13, 14, 14, 15, 16))
        column, row = tile(self._draw.choice(layer.places), zoom)
        return f"{zoom}/{column}/{row}"

    def _suffix(self) -> str:
        return self._draw.choice(("", "", "", ".pbf", ".mvt"))

    def _known_parameters(self, layer: Known) -> list[str]:
        columns = list(layer.values)
        west, south = self._draw.choice(layer.places)
        some = self._draw.sample(columns, k=self._draw.randint(0, min(3, len(columns))))
        listed = ",".join('"' + name.replace('"', '""') + '"' for name in some)
        name = self._draw.choice(columns)
        value = self._draw.choice(layer.values[name] or ("x",))
        found = [
            f"columns={quote_plus(listed)}", f"limit={self._draw.choice((-1, 1, 5, 100, 10**6))}", f"resolution={self._draw.choice((256, 512, 4096))}",
            f"buffer={self._draw.choice((0, 8, 32))}", f"clip={self._draw.choice(('true', 'false'))}", "simplify=false", "unknown=1",
            f"bbox={west - 1:.3f},{max(-90.0, south - 1):.3f},{west + 1:.3f},{min(90.0, south + 1):.3f}",
            f"{quote_plus(name)}={quote_plus(value)}",
        ]  # fmt: skip
        if sortable := [each for each in columns if layer.kinds[each] in ("int4", "int8", "text", "numeric", "date")]:
            found.append(f"sortby={quote_plus(self._draw.choice(('-', '')))}{quote_plus(_quoted(self._draw.choice(sortable)))}")
        if set(layer.kinds.values()) & {"date", "timestamptz"}:
            found.append(f"datetime={self._draw.choice(('2020-01-05', '2020-01-01/..', '../2030-01-01T00:00:00Z', '2020-02-01/2021-01-01'))}")
        if "id" in columns:
            found.append("ids=" + ",".join(map(str, self._draw.sample(range(1, 3000), k=30))))
        return found

    def _condition(self, layer: Known, depth: int) -> str:
        if depth > 0:
            match self._draw.randrange(4):
                case 0:
                    return f"({self._condition(layer, depth - 1)} OR {self._condition(layer, 0)})"
                case 1:
                    return f"({self._condition(layer, depth - 1)} AND {self._condition(layer, 0)})"
                case 2:
                    return f"NOT ({self._condition(layer, depth - 1)})"
        west, south = self._draw.choice(layer.places)
        numbers = [name for name, kind in layer.kinds.items() if kind in ("int4", "int8", "numeric")]
        texts = [name for name, kind in layer.kinds.items() if kind == "text"]
        found = [
            f"S_INTERSECTS(geom, BBOX({west - 1:.3f}, {max(-90.0, south - 1):.3f}, {west + 1:.3f}, {min(90.0, south + 1):.3f}))",
            f"{_quoted(self._draw.choice(list(layer.values)))} IS NOT NULL", "1 = 1", "2 * 3 > 5",
        ]  # fmt: skip
        if numbers:
            name = _quoted(self._draw.choice(numbers))
            found += [f"{name} {self._draw.choice(('>', '>=', '<', '<>'))} {self._draw.randint(-5, 10**6)}", f"{name} BETWEEN 0 AND 1000000",
                      f"{name} + 1 > {name}", f"{name} IN (1, 2, 3)"]  # fmt: skip
        if dates := [name for name, kind in layer.kinds.items() if kind in ("date", "timestamptz")]:
            name = _quoted(self._draw.choice(dates))
            found += [f"{name} > DATE('2020-06-01')", f"{name} < TIMESTAMP('2024-01-01T00:00:00Z')",
                      f"T_AFTER({name}, DATE('2020-01-05'))"]  # fmt: skip
        found += [f"{operator}(geom, POINT({west:.4f} {south:.4f}))" for operator in ("S_DISJOINT", "S_WITHIN", "S_TOUCHES")]
        if texts:
            name = self._draw.choice(texts)
            value = self._draw.choice(layer.values[name] or ("x",)).replace("'", "''")
            found += [f"{_quoted(name)} = '{value}'", f"CASEI({_quoted(name)}) LIKE CASEI('%{value[:1]}%')", f"{_quoted(name)} LIKE '%'",
                      f"{_quoted(name)} <> ''"]  # fmt: skip
        return self._draw.choice(found)

    def _nasty(self) -> str:
        return "".join(self._draw.choices(_NASTY, k=self._draw.choice((1, 1, 2, 3)))) if self._draw.random() < 0.9 else self._random_text()

    def _random_text(self) -> str:
        return "".join(chr(self._draw.choice((self._draw.randrange(32), self._draw.randrange(256), self._draw.randrange(0xD7FF))))
                       for _ in range(self._draw.randint(1, 30)))  # fmt: skip

    def _encoded(self, text: str) -> str:
        """Percent-encoded UTF-8, or bytes that are none."""
        match self._draw.randrange(6):
            case 0:
                return quote(text.encode("utf-16", "surrogatepass")[:200])
            case 1:
                return quote(text, safe="") + self._draw.choice(("%", "%FF", "%C3", "%zz", "%00", "%ED%A0%80"))
            case _:
                return quote(text, safe="")

    def _headers(self) -> Iterator[tuple[str, str]]:
        if self._draw.random() < 0.6:
            yield "Accept-Encoding", self._draw.choice(("gzip", "gzip, deflate, br", "identity", "*;q=0.1", "gzip;q=x", ""))
        if self._draw.random() < 0.1:
            name = self._draw.choice(("If-None-Match", "Accept", "Host", "Origin", "Range", "X-Request-Id", "X-Forwarded-Host", "X-Forwarded-Prefix",
                                      "Authorization", "Cookie", "If-Modified-Since", "Content-Length"))  # fmt: skip
            value = self._draw.choice(("*", '"x"', "text/html", "a.example", "a b", "<>", "bytes=0-5", "é", "0", "' OR 1=1", "x" * 500, "canary"))
            yield name, value.encode("utf-8").decode("latin-1")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
