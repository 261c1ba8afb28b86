"""Reads that look unlike those before, and the security pages that are made of the log."""
