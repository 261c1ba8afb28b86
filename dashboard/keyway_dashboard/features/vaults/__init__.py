"""The list of vaults, and a new vault."""
