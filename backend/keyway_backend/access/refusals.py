"""The sentences of a refusal. Foreign and missing share one, byte for byte (policy.yaml `foreign_or_missing`)."""

from __future__ import annotations

from keyway_core.roles import Role, Verb

from keyway_backend.access.roles import Misconfigured, Unknown
from keyway_backend.platform.errors import Forbidden, NotFound, Problem, Unavailable


def no_vault_in_path() -> NotFound:
    """On /v1/vaults: foreign or missing."""
    return NotFound("Vault not found")


def no_vault_in_secrets() -> Forbidden:
    """On /v1/secrets: foreign or missing."""
    return Forbidden("You do not have access to this repository, or it has no vault.")


def not_installed(full_name: str, install_url: str) -> Forbidden:
    """The dashboard reads repository and link out of this sentence (contract.md 1.3)."""
    return Forbidden(f"GitHub App not installed for {full_name} . Please install the Keyway GitHub App: {install_url}")


def no_repository(full_name: str, install_url: str) -> Forbidden:
    """At vault creation: not installed, foreign and missing."""
    return Forbidden(
        f"GitHub App not installed for {full_name} , or you have no access to it. "
        f"Please install the Keyway GitHub App: {install_url}"
    )


def not_admin() -> Forbidden:
    """To those who can see the repository."""
    return Forbidden("Only repository admins can perform this action")


def not_manager() -> Forbidden:
    """Neither admin of the repository nor owner of its organisation."""
    return Forbidden("Only repository admins and organization owners can perform this action")


def no_environment() -> NotFound:
    """In a path, after the right was found to be enough."""
    return NotFound("Environment not found")


def no_secret() -> NotFound:
    """In a path: of another vault, deleted or missing."""
    return NotFound("Secret not found")


def no_organization() -> NotFound:
    """Foreign, missing, or without the App."""
    return NotFound("Organization not found")


def not_owner() -> Forbidden:
    """To members of the organisation."""
    return Forbidden("Only organization admins can perform this action")


def verb_denied(role: Role, verb: Verb, environment: str) -> Forbidden:
    """The right is too low."""
    return Forbidden(f"Your role ({role}) may not {verb} the environment {environment}.")


class AppPermissionMissing(Forbidden):
    """The App cannot find out who may (policy.yaml `app_permission_missing`): configuration, not outage."""


def undecided(answer: Misconfigured | Unknown) -> Problem:
    """GitHub did not say who may, so nobody may, and nobody is refused for it."""
    match answer:
        case Misconfigured(permission):
            return AppPermissionMissing(
                f"The GitHub App lacks a permission that Keyway needs: {permission}. Tell its owner."
            )
        case Unknown(seconds):
            return Unavailable(
                "GitHub cannot say right now who has access. Nothing was changed; try again.",
                retry_after_seconds=seconds,
            )
