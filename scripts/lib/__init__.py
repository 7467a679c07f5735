"""What the scripts share. Only the standard library: this runs before .venv exists."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
