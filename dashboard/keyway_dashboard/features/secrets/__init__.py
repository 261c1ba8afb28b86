"""The secrets of a vault: the matrix of keys and environments, and one secret at a time."""
