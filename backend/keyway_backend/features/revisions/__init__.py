"""Revisions of environments: history, difference, rollback, copies, comparison. No value leaves from here."""
