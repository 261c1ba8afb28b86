"""Who may do what in a vault: the matrix, what was said above it, one person's rights, and who has a role."""
