"""Signing in through GitHub, and signing out."""
