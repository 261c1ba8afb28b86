"""A server that speaks the part of GitHub that Keyway uses (policy.yaml `github.calls`), for one machine and for tests.

It listens on loopback only, answers only to its own names, and asks on its approval page for a passphrase. Control and
fault endpoints exist only when it was started with `--test-controls`. Every number starts at 2^40, so that none belongs
to a real person, organisation or repository.
"""
