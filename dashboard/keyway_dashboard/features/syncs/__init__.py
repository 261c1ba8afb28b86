"""Syncs of a vault with projects at providers: accounts, links, what one would do, doing it."""
