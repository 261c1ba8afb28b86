"""Organisations: connected, shown with their roster, and what their members may do by default."""
