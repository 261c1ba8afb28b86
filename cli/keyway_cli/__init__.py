"""The command line of Keyway."""

__version__ = "0.1.0"
