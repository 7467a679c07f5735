"""The tile cache: its keys, the frame around a cached tile, the memory backend, and one query for equal misses."""
