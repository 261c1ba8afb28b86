"""What was deleted."""
