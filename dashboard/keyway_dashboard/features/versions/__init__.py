"""The values that a secret had."""
