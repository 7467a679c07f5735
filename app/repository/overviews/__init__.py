"""Overviews: planned, built, kept fresh, and found again by the catalog."""
