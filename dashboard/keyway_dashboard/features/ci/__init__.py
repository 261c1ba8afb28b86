"""Which runs of GitHub Actions read which environment, and the workflow that does."""
