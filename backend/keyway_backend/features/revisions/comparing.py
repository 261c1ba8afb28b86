"""Comparisons, apart from `service` because nothing is changed here: environments with one another, with what somebody
is about to import, and with the strings of a client that scans files. Crypto compares; no stored value passes through.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from keyway_core import dotenv
from keyway_core.names import is_warned_key
from keyway_core.roles import Verb

from keyway_backend.access.grants import EnvironmentGrant, VaultGrant
from keyway_backend.access.narrow import narrow
from keyway_backend.audit import Action, Event, GroupWriter
from keyway_backend.db.engine import Database
from keyway_backend.features.revisions import errors, rules, store
from keyway_backend.features.revisions.rules import WrongBodyError
from keyway_backend.features.revisions.service import reads, stored, subject
from keyway_backend.features.secrets import errors as secrets_errors
from keyway_backend.features.secrets import rules as secrets_rules
from keyway_backend.features.secrets.moves import HeadMovedError, place_of
from keyway_backend.features.secrets.revising import Revising, persist
from keyway_backend.features.secrets.rules import Push, State
from keyway_backend.platform.errors import FieldError, ValidationFailed
from keyway_backend.platform.ids import new_id
from keyway_backend.vault_crypto import Item, VaultCrypto


class Comparisons:
    """What is equal and what is not, in names."""

    def __init__(self, database: Database, crypto: VaultCrypto, events: GroupWriter) -> None:
        self._database = database
        self._crypto = crypto
        self._events = events
        self._revising = Revising(database, crypto)

    async def compare(self, grant: VaultGrant, left: str | None, right: str | None) -> dict[str, Any]:
        """Two environments of a vault. Recorded before anything is said.

        Raises ValidationFailed, NotFound, Forbidden, Unavailable, IntegrityFailed.
        """
        if faults := [
            FieldError(n, "Name an environment.") for n, given in (("left", left), ("right", right)) if not given
        ]:
            raise ValidationFailed("Invalid request data", errors=faults)
        one, other = (narrow(grant, name or "", Verb.READ, missing=errors.no_environment()) for name in (left, right))
        async with self._database.read() as connection:
            first = await store.live(connection, place_of(one).environment_id)
            second = await store.live(connection, place_of(other).environment_id)
        if first is None or second is None:
            raise errors.no_environment()
        both = [key for key in first.values if key in second.values]
        differing = await self._crypto.differing(stored(one, first, both), stored(other, second, both))
        await self._events.record(_compared(one, other, first, second))
        return {
            "left": _named(one, first),
            "right": _named(other, second),
            "onlyInLeft": [key for key in first.values if key not in second.values],
            "onlyInRight": [key for key in second.values if key not in first.values],
            "different": [key for key in both if key in differing],
            "same": [key for key in both if key not in differing],
        }

    async def digests(self, grant: EnvironmentGrant, sent: Mapping[str, Any]) -> dict[str, Any]:
        """Keyed digests of the values that cannot be guessed, with their key, for a scan. Recorded as a read of these.

        Raises ValidationFailed, NotFound, Unavailable, IntegrityFailed.
        """
        with errors.of_body():
            rules.only(sent)
        async with self._database.read() as connection:
            live = await store.live(connection, place_of(grant).environment_id)
        if live is None:
            raise errors.no_environment()
        found = await self._crypto.digests(stored(grant, live, list(live.values)))
        pairs = list(zip(live.values, found.digests, strict=True))
        told = {key: digest.hex() for key, digest in pairs if digest is not None}
        details = {"count": len(told), "secretCount": len(told), "role": grant.role.value}
        where = subject(grant, live.number)
        await self._events.record(
            Event(Action.SECRET_DIGESTS_ISSUED, grant.actor, grant.origin, where, list(told), details)
        )
        return {
            "algorithm": "hmac-sha256",
            "key": b64encode(found.key).decode(),
            "revision": {"id": live.revision_id, "number": live.number},
            "digests": told,
            "omitted": [key for key, digest in pairs if digest is None],
        }

    async def preview(self, grant: EnvironmentGrant, sent: Mapping[str, Any]) -> dict[str, Any]:
        """What an import would create and update. Writes nothing; says nothing about a value but whether it is new.

        Raises ValidationFailed, NotFound, TooLarge, Unavailable, IntegrityFailed.
        """
        push = _pushed(sent)
        place_of(grant)

        async def attempt() -> tuple[State, Sequence[str]]:
            state = await self._revising.state(grant, list(push.values))
            return state, await self._fresh(grant, push, state)

        async def gone() -> Exception:
            return errors.no_environment()

        state, fresh = await persist(attempt, grant, gone)
        warnings = [key for key in push.values if is_warned_key(key)]
        if not reads(grant):
            return {"changed": sorted(push.values), "warnings": warnings}
        return {
            "revision": {"id": state.revision_id, "number": state.number},
            "created": sorted(key for key in fresh if key not in state.live),
            "updated": sorted(key for key in fresh if key in state.live),
            "unchanged": sorted(push.values.keys() - set(fresh)),
            "warnings": warnings,
        }

    async def _fresh(self, grant: EnvironmentGrant, push: Push, state: State) -> list[str]:
        """The keys whose value is not there yet. Without the right to read nothing is compared."""
        items = [
            Item(key, new_id().bytes, text, _present(state, key) if reads(grant) else ())
            for key, text in push.values.items()
        ]
        outcome = await self._revising.seal(grant, state, items, ())
        sealed = {item.key: one for item, one in zip(items, outcome.sealed, strict=True) if one is not None}
        try:
            effect = secrets_rules.effect(state, sealed, (), len(items))
        except secrets_rules.InvalidPushError as error:
            raise secrets_errors.invalid(error.faults) from None
        await self._revising.refuse_over(grant, state, effect, push.sizes)
        return list(sealed)


def _present(state: State, key: str) -> list[tuple[bytes, Any]]:
    live = state.live.get(key)
    if live is None:
        return []
    if live.sealed is None:
        raise HeadMovedError
    return [(live.value_id, live.sealed)]


def _pushed(sent: Mapping[str, Any]) -> Push:
    """The values of a body: `.env` text, or a map from key to value. Raises ValidationFailed, TooLarge."""
    with errors.of_body():
        rules.only(sent, "text", "secrets")
        if ("text" in sent) == ("secrets" in sent):
            raise WrongBodyError("text", "Send either the text of a .env file or `secrets`, a map from key to value.")
        values = _parsed(sent["text"]) if "text" in sent else sent["secrets"]
    try:
        return secrets_rules.read_push({"mode": "merge", "secrets": values})
    except secrets_rules.InvalidPushError as error:
        raise secrets_errors.invalid(error.faults) from None
    except secrets_rules.OverLimitError:
        raise secrets_errors.over_limit() from None


def _parsed(text: Any) -> dict[str, str]:
    if not isinstance(text, str):
        raise WrongBodyError("text", "The text of a .env file is required.")
    try:
        return {key: value.reveal() for key, value in dotenv.parse(text).items()}
    except dotenv.DotenvError as error:
        raise WrongBodyError("text", str(error)) from None


def _named(grant: EnvironmentGrant, live: store.Live) -> dict[str, Any]:
    return {"environment": grant.asked_name, "revision": {"id": live.revision_id, "number": live.number}}


def _compared(one: EnvironmentGrant, other: EnvironmentGrant, first: store.Live, second: store.Live) -> Event:
    place = place_of(other)
    right: dict[str, UUID | int | str] = {
        "right": other.asked_name,
        "rightId": str(place.environment_id),
        "rightRevision": second.number,
    }
    details = {"left": one.asked_name, "role": one.role.value, **right}
    return Event(Action.ENVIRONMENTS_COMPARED, one.actor, one.origin, subject(one, first.number), details=details)
