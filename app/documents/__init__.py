"""Pure functions from values to documents: TileJSON, catalog, styles, tile matrix sets."""
