"""The front page of an instance: what it is, whether it answers, and how to begin."""
