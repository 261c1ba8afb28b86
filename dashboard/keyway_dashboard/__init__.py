"""The pages that people see in a browser. Speaks HTTP to the backend and holds nothing of its own."""

VERSION = "0.1.0"
