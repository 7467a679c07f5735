"""CQL2 (OGC 21-065r2): from text or JSON to a tree whose names and types are checked against a layer."""
