import random
import string
from typing import Any

import pytest

from app.caching.key import LayerKey, composite_prefix, key_text
from app.layers.identity import ANONYMOUS, Identity
from app.layers.tile import Tile

KEY = LayerKey(
    database="natural", layer_id="public.countries", layer_digest="0123456789abcdef", mvt_name="public.countries",
    grid="WebMercatorQuad", parameters=(("columns", "*"), ("limit", "10000")), identity=ANONYMOUS,
)  # fmt: skip

# Signs that divide a key, signs that only escaping makes, and what is longer in UTF-8 than in Python.
ALPHABET = ":/&=;!%+*,. ~\n\x00\x1f\x7fäÅ中\U0001f5fa\udc80" + "ab1"


def test_key_type_has_no_defaults() -> None:
    assert LayerKey._field_defaults == {}


def test_key_is_readable() -> None:
    assert key_text(KEY.prefix, Tile(12, 2148, 1434)) == (
        "t4:natural:public.countries:0123456789abcdef:!:WebMercatorQuad:!:columns=*&limit=10000:12/2148/1434"
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"database": "other"}, {"layer_id": "public.cities"}, {"layer_digest": "f"}, {"mvt_name": "default"},
        {"grid": "WGS1984Quad"}, {"parameters": ()},
        {"parameters": (("columns", "*"), ("limit", "1"))}, {"identity": Identity("reader")},
        {"identity": Identity("!")}, {"identity": Identity("")}, {"identity": Identity(None, (("tenant", "1"),))},
        {"identity": Identity("reader", (("tenant", "1"),))},
    ],
)  # fmt: skip
def test_every_field_changes_the_text(changed: dict[str, Any]) -> None:
    assert KEY._replace(**changed).prefix != KEY.prefix


def test_what_slides_from_one_field_into_the_next_is_another_key() -> None:
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"database": "a:b", "layer_id": "c"}, {"database": "a", "layer_id": "b:c"}),
        ({"parameters": (("a", "1&b=2"),)}, {"parameters": (("a", "1"), ("b", "2"))}),
        ({"parameters": (("a=b", "c"),)}, {"parameters": (("a", "b=c"),)}),
        ({"parameters": ()}, {"parameters": (("", ""),)}),
        ({"identity": Identity("a;b")}, {"identity": Identity("a", (("b", ""),))}),
        ({"identity": Identity("r", (("a", "b"), ("c", "d")))}, {"identity": Identity("r", (("a", "b&c=d"),))}),
        ({"layer_id": "a%20b"}, {"layer_id": "a b"}),
    ]
    for one, other in pairs:
        assert KEY._replace(**one).prefix != KEY._replace(**other).prefix


def test_different_keys_have_different_short_printable_texts() -> None:
    draw = random.Random(20260601)

    def word() -> str:
        return "".join(draw.choices(ALPHABET, k=draw.choice((0, 1, 2, 3, 80))))

    def pairs() -> tuple[tuple[str, str], ...]:
        return tuple((word(), word()) for _ in range(draw.randrange(3)))

    def identity() -> Identity:
        return Identity(draw.choice((None, word())), pairs())

    keys = {
        (
            LayerKey(word(), word(), word(), word(), word(), pairs(), identity()),
            Tile(draw.randint(-10, 30), draw.randrange(12), draw.randrange(2**30)),
        )
        for _ in range(20_000)
    }
    texts = {key_text(key.prefix, tile) for key, tile in keys}
    assert len(texts) == len(keys)
    printable = set(string.ascii_letters + string.digits + string.punctuation)
    assert all(len(text) <= 200 and set(text) <= printable for text in texts)


def test_long_list_of_columns_stays_within_the_bound() -> None:
    columns = [f"column {number}" for number in range(1600)]
    long = KEY._replace(parameters=(("columns", "\x1f".join(columns)),))
    shorter = KEY._replace(parameters=(("columns", "\x1f".join(columns[:-1])),))
    assert len(key_text(long.prefix, Tile(30, 2**30, 2**30))) <= 200
    assert long.prefix != shorter.prefix


def test_text_says_nothing_of_claims() -> None:
    assert "ann@example.org" not in KEY._replace(identity=Identity("r", (("email", "ann@example.org"),))).prefix


def test_order_of_composite_parts_matters() -> None:
    other = KEY._replace(layer_id="public.cities")
    texts = {
        KEY.prefix, composite_prefix([KEY.prefix]), composite_prefix([KEY.prefix, other.prefix]),
        composite_prefix([other.prefix, KEY.prefix]), composite_prefix([KEY.prefix, other.prefix, other.prefix]),
    }  # fmt: skip
    assert len(texts) == 5
    assert all(len(text) <= 174 for text in texts)
