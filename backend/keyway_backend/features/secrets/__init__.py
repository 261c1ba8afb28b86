"""Push, pull and view: the values of an environment, on the revision model of design.md 6."""
