"""The sentences of a refusal. Foreign and missing share one, byte for byte (policy.yaml `foreign_or_missing`)."""

from __future__ import annotations

from keyway_core.roles import Role, Verb

from keyway_backend.access.actor import Scope
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


def outside_binding() -> Forbidden:
    """For a bound credential, whether what it named is there or not."""
    return Forbidden("This credential is bound to other vaults or environments.")


def wrong_address() -> Forbidden:
    """For an API key from an address that is not on its list."""
    return Forbidden("This API key may not be used from this address.")


def lacks_scope(scope: str) -> Forbidden:
    """The credential is of a kind that may not, or has not the scope."""
    return Forbidden(f"This credential lacks the scope {scope}.")


def not_for_workflows() -> Forbidden:
    """For a CI token on a route that admits none."""
    return Forbidden("A CI token reads one environment and does nothing else.")


def workflow_ended() -> Forbidden:
    """For a CI token whose conditions no longer hold."""
    return Forbidden("What allowed this CI token no longer holds; exchange a new one.")


def cross_site() -> Forbidden:
    """For a write that a cookie speaks for, from a page that is not ours."""
    return Forbidden("This request did not come from a page of this Keyway.")


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


def scope_missing(scope: Scope) -> Forbidden:
    """The credential may not do all that the request asks for."""
    return Forbidden(f"This credential lacks the scope {scope}.")


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
