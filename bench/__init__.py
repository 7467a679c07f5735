"""Measures Flagstone: `scripts/bench` runs it, docs/benchmark.md explains what it prints."""
