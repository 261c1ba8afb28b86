"""Assistants: how to connect one, and what they did."""
