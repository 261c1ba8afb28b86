"""What the answer must be, computed from policy.yaml alone. Nothing here imports the code under test."""
