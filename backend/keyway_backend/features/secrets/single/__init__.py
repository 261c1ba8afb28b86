"""Secrets one by one: create, change, reveal, versions, trash (contract.md 4.4). Each change is one revision."""
