"""Permission overrides and the older rules that are written as such; who GitHub lets into a repository."""
