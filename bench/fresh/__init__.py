"""How fresh tiles are, what that costs writers and readers, and whether one was ever too old."""
