"""Placeholders of registered statements: what is one, and what only looks like one."""

from random import Random

import psycopg
import pytest

from app.layers.sql_header import BadHeader, SqlParameter, header
from app.repository.sql_text import BadSql, parse


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT :a, b::int, c :: text, :d::int", {"a", "d"}),
        ("SELECT ':a', 'it''s :b', E'\\':c', E'\\\\', :d", {"d"}),
        ("SELECT \":a\", \"x\"\":b\" FROM t AS \":c\"", set()),
        ("SELECT $$ :a ' \" -- $$, $tag$ $$ :b $tag$, :c", {"c"}),
        ("SELECT price$1 FROM t -- :a\nWHERE x = :b /* :c /* :d */ :e */ AND y", {"b"}),
        ("SELECT list[1:n], list[:n], list[(:a):(:b)], list[f(:c)]", {"a", "b", "c"}),
        ("SELECT ARRAY[:a, :b], array [[:c, 1], [2, :d]], (ARRAY[1,2])[1:n]", {"a", "b", "c", "d"}),
        ("SELECT f(x := :a), 5:b", {"a", "b"}),
        ("SELECT U&'\\:a', B'01', X'ff', N':b'", set()),
        ("SELECT :größe", {"größe"}),
        ("SELECT '%s', 5 % 3, 'a' LIKE '%:b%'", set()),
        ("SELECT a -- it's\n, :b -- \"", {"b"}),
    ],
)
def test_a_placeholder_is_a_colon_and_a_name_that_stand_for_themselves(text: str, names: set[str]) -> None:
    assert parse(text).names == names


def test_everything_but_placeholders_and_comments_stays_as_it_is() -> None:
    text = "SELECT ':a' || $x$ -- :b $x$, :c::int /* gone\n */ + 1 -- gone\n;"
    assert parse(text).written(lambda name: f"<{name}>") == "SELECT ':a' || $x$ -- :b $x$, <c>::int  \n + 1  \n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no statement"),
        (" -- nothing\n /* at all */ ;", "no statement"),
        ("SELECT 1; SELECT 2", "more than one statement: another one begins in line 1"),
        ("SELECT 1;\n\nDROP TABLE x", "another one begins in line 3"),
        ("SELECT 1;;", "more than one statement"),
        ("SELECT 1) AS x; --", r"closes nothing"),
        ("SELECT 1)\n, (SELECT 2", "of line 1 closes nothing"),
        ("SELECT (1", "of line 1 is not closed"),
        ("SELECT (1]", "closes nothing"),
        ("SELECT (1; 2)", "within brackets"),
        ("SELECT\n 'abc", "quote of line 2 is not closed"),
        ("SELECT 'it''", "is not closed"),
        ("SELECT E'abc\\'", "is not closed"),
        ('SELECT "abc', "is not closed"),
        ("SELECT $a$ :b $c$", r"quote \$a\$ of line 1"),
        ("SELECT 1 /* /* */", "comment of line 1 is not closed"),
        ("SELECT $1", "parameters have names"),
        ("SELECT '\0'", "NUL"),
        ("SELECT \0", "NUL"),
    ],
)
def test_what_cannot_be_one_statement_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(BadSql, match=sentence):
        parse(text)


def test_a_long_text_is_read_in_linear_time() -> None:
    many = "SELECT " + ", ".join(f"':{n}' || :a{n % 7}" for n in range(20_000)) + " -- '" + "(" * 10_000
    assert len(parse(many).names) == 7
    with pytest.raises(BadSql):
        parse("SELECT " + "'" * 99_999)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min_pop integer = 0  Smallest population", SqlParameter("min_pop", "integer", "0", "Smallest population", True)),
        ("c text", SqlParameter("c", "text")),
        ("c text -- Two letters", SqlParameter("c", "text", None, "Two letters")),
        ("x double precision = 1.5 -- foo", SqlParameter("x", "double precision", "1.5", "foo", True)),
        ("n numeric(10,2)=-3", SqlParameter("n", "numeric(10,2)", "-3", None, True)),
        ("t timestamp with time zone = null", SqlParameter("t", "timestamp with time zone", None, None, True)),
        ("a text[] = '{a,b}' list", SqlParameter("a", "text[]", "{a,b}", "list", True)),
        ("k text = 'it''s = -- x' says", SqlParameter("k", "text", "it's = -- x", "says", True)),
    ],
)
def test_a_parameter_is_declared_with_type_default_and_description(text: str, expected: SqlParameter) -> None:
    assert SqlParameter.parse(text) == expected


@pytest.mark.parametrize("text", ["bad", "x int =", "1x int", "x int; drop table t", "x int = 'open", "x 'int'", ""])
def test_a_parameter_that_is_declared_otherwise_is_refused(text: str) -> None:
    with pytest.raises(BadHeader, match="is not `name type"):
        SqlParameter.parse(text)


def test_the_head_ends_with_the_first_line_that_is_no_comment() -> None:
    said = header("-- Copyright: somebody\n-- title: A\n--   B\n-- free text\n-- minzoom: 3\nSELECT 1\n-- maxzoom: 4\n")
    assert said.values == {"title": "A B", "minzoom": "3"}
    assert said.parameters == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-- minzom: 3", "no 'minzom'.*Did you mean minzoom"),
        ("-- title: A\n-- title: B", "title is said twice"),
        ("-- title:", "title says nothing"),
    ],
)
def test_a_head_with_an_unknown_key_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadHeader, match=sentence):
        header(text)


def _quoted(value: str, how: int, random: Random) -> str:
    """The value as PostgreSQL can write it, in one of several ways."""
    match how:
        case 0:
            return "'" + value.replace("'", "''") + "'"
        case 1:
            return random.choice("eE") + "'" + value.replace("\\", "\\\\").replace("'", random.choice(["\\'", "''"])) + "'"
        case 2:
            tag = random.choice(["", "a", "tag_1", "ö"])
            return f"${tag}${value}${tag}$" if f"${tag}$" not in value + "$" else _quoted(value, 0, random)
    return "U&'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def test_what_is_quoted_in_any_way_reaches_postgresql_as_it_is(server_dsn: str) -> None:
    random = Random(20)
    noise = ["", " ", "\n", "/* :a ' \" */", "/* /* ; */ $$ */", "-- :a ' $x$ (\n", "\t"]
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        for _ in range(60):
            expected: list[object] = []
            parts: list[str] = []
            for _ in range(random.randint(1, 12)):
                value = "".join(random.choice(["'", '"', "\\", "$", "$a$", ":a", ":", "--", "/*", "*/", ";", "(", "[", "%", "%s", "x", "é", "\n"])
                                for _ in range(random.randint(0, 8)))  # fmt: skip
                if random.random() < 0.3:
                    parts.append(f":given{random.choice(['', '::text', '::text::text'])}")
                    expected.append("the 'value' :a")
                else:
                    parts.append(_quoted(value, random.randint(0, 3), random))
                    expected.append(value)
            text = f"SELECT {random.choice(noise)}" + f"{random.choice(noise)},{random.choice(noise)}".join(parts) + random.choice(["", ";", " ; -- x"])
            found = parse(text)
            assert found.names <= {"given"}, text
            query = found.written(lambda _: "%(given)s::text", lambda piece: piece.replace("%", "%%"))
            row = connection.execute(query.encode(), {"given": "the 'value' :a"}).fetchone()
            assert list(row or ()) == expected, text
