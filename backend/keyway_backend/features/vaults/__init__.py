"""Vaults: made for a repository, listed for whoever has a role on it."""
