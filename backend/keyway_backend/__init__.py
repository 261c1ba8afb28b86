"""The backend of Keyway: access, ciphertext, audit. It never holds a key that opens a value."""

VERSION = "0.1.0"
