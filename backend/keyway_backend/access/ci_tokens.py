"""Tokens of workflows: read one environment of one vault, for a quarter of an hour (policy.yaml `credentials.ci`).

A row carries our code, and so does the rule that it came from. What it grants is decided again for every use.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from keyway_core.sensitive import Sensitive

from keyway_backend.access.actor import NOBODY, Actor, Binding, CredentialKind, Person, Scope, Workflow
from keyway_backend.access.macs import Field, Macs, Purpose
from keyway_backend.db.engine import Connection, one, run
from keyway_backend.platform.metrics import integrity_alarm

FORM: Final = re.compile(r"kwci_[A-Za-z0-9_-]{43}")

_FIND: Final = """
    SELECT t.id, t.token_hash, t.vault_id, t.environment_id, t.rule_id, t.github_repo_id, t.github_owner_id,
        t.actor_github_user_id, t.actor_login, t.expires_at, t.mac,
        t.revoked_at IS NULL AND t.expires_at > now() AS live,
        r.conditions, r.mac AS rule_mac,
        EXISTS (SELECT FROM oidc_rules WHERE environment_id = t.environment_id) AS ruled
    FROM ci_tokens AS t LEFT JOIN oidc_rules AS r
        ON r.id = t.rule_id AND r.vault_id = t.vault_id AND r.environment_id = t.environment_id
    WHERE t.token_hash = %(hash)s"""
_INSERT: Final = """
    INSERT INTO ci_tokens (id, token_hash, vault_id, environment_id, rule_id, github_repo_id, github_owner_id,
                           actor_github_user_id, actor_login, created_at, expires_at, mac)
    VALUES (%(id)s, %(hash)s, %(vault)s, %(environment)s, %(rule)s, %(repository)s, %(owner)s,
            %(person)s, %(login)s, %(created_at)s, %(expires_at)s, %(mac)s)"""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that is to be kept. `person` is who started the run, if that person had a role at the exchange."""

    id: UUID
    token: Sensitive
    vault_id: UUID
    environment_id: UUID
    rule_id: UUID | None
    github_repo_id: int
    github_owner_id: int
    person: Person | None
    created_at: datetime
    expires_at: datetime


def mint() -> Sensitive:
    """A new token."""
    return Sensitive(f"kwci_{secrets.token_urlsafe(32)}")


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def actor_of(token: NewToken) -> Actor:
    """Who acts with a token: nobody, on behalf of a repository."""
    workflow = Workflow(token.github_repo_id, token.github_owner_id, token.person, by_rule=token.rule_id is not None)
    return _actor(token.id, Binding(frozenset({token.vault_id}), frozenset({token.environment_id})), workflow)


async def insert(connection: Connection, macs: Macs, token: NewToken) -> None:
    """Keeps a token, in the caller's transaction."""
    hashed, person = hash_of(token.token.reveal()), token.person
    row: dict[str, Any] = {
        "id": token.id,
        "hash": hashed,
        "vault": token.vault_id,
        "environment": token.environment_id,
        "rule": token.rule_id,
        "repository": token.github_repo_id,
        "owner": token.github_owner_id,
        "person": person.github_user_id if person else None,
        "login": person.login if person else None,
        "expires_at": token.expires_at,
    }
    mac = macs.make(Purpose.CI_TOKEN, *_fields(row))
    await run(connection, _INSERT, **row, created_at=token.created_at, mac=mac)


async def find(connection: Connection, macs: Macs, token: Sensitive) -> Actor | None:
    """The workflow behind a token: None for one that is unknown, expired, revoked, or not from us.

    A token whose rule is gone or was not written by us is found as well, with a workflow that nothing allows.
    """
    found = await one(connection, _FIND, hash=hash_of(token.reveal()))
    if found is None or not found["live"] or not _is_ours(macs, found):
        return None
    number = found["actor_github_user_id"]
    person = Person(number, found["actor_login"]) if number is not None else None
    by_rule = found["rule_id"] is not None
    workflow = Workflow(
        found["github_repo_id"],
        found["github_owner_id"],
        person,
        by_rule=by_rule,
        stands=_rule_stands(macs, found) if by_rule else not found["ruled"],
    )
    binding = Binding(frozenset({found["vault_id"]}), frozenset({found["environment_id"]}))
    return _actor(found["id"], binding, workflow)


async def revoke(connection: Connection, token_id: UUID) -> bool:
    """Ends a token, for good: without its code nobody can begin it again. False when it was over already."""
    statement = "UPDATE ci_tokens SET revoked_at = now(), mac = '' WHERE id = %(id)s AND revoked_at IS NULL"
    return await run(connection, statement, id=token_id) == 1


def rule_fields(
    rule_id: UUID, vault_id: UUID, environment_id: UUID, conditions: Mapping[str, Any]
) -> tuple[Field, ...]:
    """What the code of a rule covers, in this order."""
    return rule_id, vault_id, environment_id, json.dumps(conditions, sort_keys=True, separators=(",", ":"))


def rule_is_ours(macs: Macs, row: Mapping[str, Any]) -> bool:
    """Whether this backend wrote a rule (id, vault_id, environment_id, conditions, mac). Alarms when not."""
    fields = rule_fields(row["id"], row["vault_id"], row["environment_id"], row["conditions"])
    if macs.fits(row["mac"], Purpose.CI_RULE, *fields):
        return True
    integrity_alarm("ci_rule", rule_id=str(row["id"]))
    return False


def _rule_stands(macs: Macs, found: Mapping[str, Any]) -> bool:
    if found["rule_mac"] is None:
        return False
    return rule_is_ours(macs, {**found, "id": found["rule_id"], "mac": found["rule_mac"]})


def _is_ours(macs: Macs, found: Mapping[str, Any]) -> bool:
    row = {
        "id": found["id"],
        "hash": found["token_hash"],
        "vault": found["vault_id"],
        "environment": found["environment_id"],
        "rule": found["rule_id"],
        "repository": found["github_repo_id"],
        "owner": found["github_owner_id"],
        "person": found["actor_github_user_id"],
        "login": found["actor_login"],
        "expires_at": found["expires_at"],
    }
    if macs.fits(found["mac"], Purpose.CI_TOKEN, *_fields(row)):
        return True
    integrity_alarm("ci_token", ci_token_id=str(found["id"]))
    return False


def _fields(row: Mapping[str, Any]) -> tuple[Field, ...]:
    return tuple(value.hex() if isinstance(value, bytes) else value for value in row.values())


def _actor(token_id: UUID, binding: Binding, workflow: Workflow) -> Actor:
    return Actor(
        None,
        NOBODY.github_user_id,
        NOBODY.login,
        CredentialKind.CI,
        token_id,
        frozenset({Scope.READ}),
        binding,
        workflow,
    )
