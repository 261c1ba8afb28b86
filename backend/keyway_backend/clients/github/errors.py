"""What GitHub can answer besides an answer (policy.yaml `github.unknown`, `github.configuration`).

A refusal of GitHub is no error here: calls return None for it. These are.

    GitHubError
    ├── GitHubUnknown       it did not answer, or not understandably: never a grant, never a refusal
    ├── PermissionMissing   our App lacks a permission: configuration, not outage
    ├── TokenRejected       it does not accept the credential that was sent
    ├── CodeRejected        nor the code that a browser brought back
    └── DeviceAnswer        the device flow's own refusals
        ├── DevicePending   nobody typed the code yet; `interval_seconds` when polling must slow down
        ├── DeviceExpired   the code is too old
        └── DeviceDenied    the person said no
"""

from __future__ import annotations


class GitHubError(Exception):
    """Base of all. The text is for the log: the call and the kind of fault, never a token."""


class GitHubUnknown(GitHubError):
    """GitHub's answer is not known. `retry_after_seconds` is what it asked for, else 5.

    `outage`: it was not there, or said of itself that it does not work (policy.yaml `github.grace.outage_classes`).
    """

    def __init__(self, what: str, *, retry_after_seconds: int = 5, outage: bool = False) -> None:
        super().__init__(what)
        self.retry_after_seconds = retry_after_seconds
        self.outage = outage


class PermissionMissing(GitHubError):
    """The App may not make this call. `permission` is what it would need."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"the GitHub App lacks a permission: {permission}")
        self.permission = permission


class TokenRejected(GitHubError):
    """401: the credential is expired, revoked, or not GitHub's."""


class CodeRejected(GitHubError):
    """The code of the web flow is wrong, used, too old, or somebody else's."""


class DeviceAnswer(GitHubError):
    """What the device flow answers instead of a token."""


class DevicePending(DeviceAnswer):
    """Ask again, not sooner than `interval_seconds` when that is given."""

    def __init__(self, interval_seconds: int | None = None) -> None:
        super().__init__("authorization pending")
        self.interval_seconds = interval_seconds


class DeviceExpired(DeviceAnswer):
    """The code is no longer good."""


class DeviceDenied(DeviceAnswer):
    """The person refused."""
