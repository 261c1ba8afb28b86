"""How environments came to be what they are."""
