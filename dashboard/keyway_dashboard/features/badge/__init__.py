"""The badge of a README, which is the same for every repository."""
