"""How changes of single secrets end badly."""

from __future__ import annotations

from keyway_backend.platform.errors import Conflict, NotFound


def no_secret() -> NotFound:
    """Foreign, missing, deleted or purged: one answer for all."""
    return NotFound("Secret not found")


def no_version() -> NotFound:
    """Not a version of this secret, or purged."""
    return NotFound("Version not found")


def name_taken(key: str) -> Conflict:
    """Another secret of the environment has this name."""
    return Conflict(f"There is a secret {key} in this environment. Nothing was changed; choose another name.")


def key_is_back(key: str) -> Conflict:
    """What lies in the trash would come back under a name that is taken."""
    return Conflict(f"There is a secret {key} in this environment again. Rename or delete that one first.")


def is_live() -> Conflict:
    """The value that everybody pulls is not purged."""
    return Conflict("This is the live value. Change or delete the secret first; then this value can be purged.")
