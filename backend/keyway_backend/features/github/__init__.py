"""What the CLI asks about a repository at GitHub before it has a vault."""
