"""Shapes on the sphere that cross ±180 or go around a pole, laid out in the plane.

An edge on the sphere is the short way: from 179 to -179 it is two degrees long. As geometry the same numbers are an edge
around the world. Each ring and line is therefore walked along, and a step of more than half a turn is one across ±180.
"""

from __future__ import annotations

from psycopg import sql


def laid_out(stored: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    """The geometry with longitudes that run on beyond ±180, where it is wider than half of the world; else as it is.

    A ring that comes back a turn further goes around a pole: it is closed along that.
    """
    box = sql.SQL("{g}::{s}.box2d").format(g=stored, s=schema)
    return sql.SQL(
        "CASE WHEN {s}.ST_XMax({box}) - {s}.ST_XMin({box}) > 180 THEN"
        " (SELECT {s}.ST_SetSRID({s}.ST_Collect(made.geom ORDER BY made.path), {s}.ST_SRID({g})) FROM"
        " (SELECT part.path, CASE {s}.ST_Dimension(part.geom) WHEN 2 THEN {polygon} WHEN 1 THEN {line} ELSE {s}.ST_SetSRID(part.geom, 0) END AS geom"
        " FROM {s}.ST_Dump({s}.ST_Force2D({g})) AS part) AS made) ELSE {g} END"
    ).format(s=schema, g=stored, box=box, polygon=_polygon(schema), line=_line(sql.SQL("part.geom"), schema))


def _walked(line: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    """The points of a line: their number, place, and the turns that were made before them."""
    return sql.SQL(
        "SELECT step.n, step.y, pg_catalog.sum(step.turn) OVER (ORDER BY step.n) AS turns,"
        " {s}.ST_MakePoint(step.x + 360 * pg_catalog.sum(step.turn) OVER (ORDER BY step.n), step.y) AS point FROM"
        " (SELECT each.path[1] AS n, {s}.ST_X(each.geom) AS x, {s}.ST_Y(each.geom) AS y,"
        " CASE WHEN {s}.ST_X(each.geom) - pg_catalog.lag({s}.ST_X(each.geom)) OVER (ORDER BY each.path[1]) > 180 THEN -1"
        " WHEN {s}.ST_X(each.geom) - pg_catalog.lag({s}.ST_X(each.geom)) OVER (ORDER BY each.path[1]) < -180 THEN 1"
        " ELSE 0 END AS turn FROM {s}.ST_DumpPoints({line}) AS each) AS step"
    ).format(s=schema, line=line)


def _line(line: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    return sql.SQL("(SELECT {s}.ST_MakeLine(walk.point ORDER BY walk.n) FROM ({walked}) AS walk)").format(
        s=schema, walked=_walked(line, schema)
    )


def _ring(ring: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    return sql.SQL(
        "(SELECT CASE WHEN way.turns = 0 THEN way.line ELSE {s}.ST_MakeLine(ARRAY[way.line,"
        " {s}.ST_MakePoint({s}.ST_X({s}.ST_EndPoint(way.line)), way.pole),"
        " {s}.ST_MakePoint({s}.ST_X({s}.ST_StartPoint(way.line)), way.pole), {s}.ST_StartPoint(way.line)]) END"
        " FROM (SELECT {s}.ST_MakeLine(walk.point ORDER BY walk.n) AS line,"
        " (pg_catalog.array_agg(walk.turns ORDER BY walk.n DESC))[1] AS turns,"
        " CASE WHEN pg_catalog.avg(walk.y) < 0 THEN -90 ELSE 90 END AS pole FROM ({walked}) AS walk) AS way)"
    ).format(s=schema, walked=_walked(ring, schema))


def _polygon(schema: sql.Identifier) -> sql.Composed:
    """A hole lies on the turn of the ring around it."""
    return sql.SQL(
        "(SELECT CASE WHEN pg_catalog.count(*) = 1 THEN {s}.ST_MakePolygon((pg_catalog.array_agg(placed.outer_line))[1])"
        " ELSE {s}.ST_MakePolygon((pg_catalog.array_agg(placed.outer_line))[1], pg_catalog.array_agg("
        "{s}.ST_Translate(placed.line, 360 * pg_catalog.round((({s}.ST_XMin(placed.outer_line) + {s}.ST_XMax(placed.outer_line)"
        " - {s}.ST_XMin(placed.line) - {s}.ST_XMax(placed.line)) / 720)), 0)) FILTER (WHERE placed.number > 0)) END FROM"
        " (SELECT walked.number, walked.line, pg_catalog.first_value(walked.line) OVER (ORDER BY walked.number) AS outer_line"
        " FROM (SELECT ring.path[1] AS number, {line} AS line FROM {s}.ST_DumpRings(part.geom) AS ring) AS walked) AS placed)"
    ).format(s=schema, line=_ring(sql.SQL("{}.ST_ExteriorRing(ring.geom)").format(schema), schema))
