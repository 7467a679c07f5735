"""What `flask changes serve` runs: maps and caches elsewhere hear which tiles changed.

The only room with an event loop. It makes no tiles, so that thousands who listen take nothing from those who do.
"""
