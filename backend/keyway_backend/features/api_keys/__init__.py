"""API keys: made, listed, revoked, and revoked at once when somebody finds one lying about."""
