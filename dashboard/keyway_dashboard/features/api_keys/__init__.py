"""API keys: for programs that work without a person."""
