"""From the log of changes to versions beside the tiles: one process of a host follows, the others look on."""
