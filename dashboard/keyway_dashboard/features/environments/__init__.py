"""The environments of a vault."""
