"""Who saw which value, and what must be rotated therefore (design.md 6)."""
