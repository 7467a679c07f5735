"""Values without I/O: layers, columns, grids, tiles, requests, identities."""
