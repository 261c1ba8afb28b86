"""The process that holds the encryption keys: it seals, opens and moves values, and never hands out a key."""

VERSION = "0.1.0"
