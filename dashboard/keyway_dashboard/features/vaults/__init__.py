"""The list of vaults, a new vault, and what comes first in it."""
