"""What happened: one's own actions, and those in a vault."""
