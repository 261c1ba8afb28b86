"""Exposure: who saw what, what was rotated since, and ticking it off."""
