"""The server's routes as functions, and its refusals as errors (contract.md 4, in the JSON form of our own clients)."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from keyway_core.sensitive import Sensitive

from keyway_cli import __version__
from keyway_cli.errors import Conflict, KeywayError, NoAccess, NotFound, NotSignedIn, Unavailable
from keyway_cli.terminal import one_line

if TYPE_CHECKING:
    from keyway_cli.transport import Reply, Transport

SECRETS_JSON: Final = "application/vnd.keyway.secrets+json"
USER_AGENT: Final = f"keyway-cli/{__version__}"
_NO_VAULT_HINT: Final = "keyway doctor shows what is missing; an administrator makes a vault with keyway init"
_TEMPORARY: Final = frozenset({429, 502, 503, 504})

Json = dict[str, Any]


class Place(NamedTuple):
    """One environment of one repository."""

    repository: str
    environment: str

    def __str__(self) -> str:
        return f"{self.environment} of {self.repository}"


class Revision(NamedTuple):
    """One state of an environment: its number (from 1) and its id."""

    number: int
    id: str


class Pulled(NamedTuple):
    """The values of an environment and the revision that they belong to; no revision when nothing was ever there."""

    values: dict[str, Sensitive]
    revision: Revision | None


class Pushed(NamedTuple):
    """What a push changed, and the revision after it."""

    created: int
    updated: int
    deleted: int
    revision: Revision | None


class Moved(Conflict):
    """The environment is at another revision than the one that was named in `If-Match`."""

    def __init__(self, message: str, current: Revision) -> None:
        super().__init__(message)
        self.current = current


class Empty(NotFound):
    """The environment holds no secrets. `current` is where it stands, so that a first push can insist on that."""

    def __init__(self, message: str, current: Revision) -> None:
        super().__init__(message)
        self.current = current


class Api:
    """The routes that this program uses, on behalf of one credential (or of nobody)."""

    def __init__(self, transport: Transport, token: Sensitive | None, user_agent: str = USER_AGENT) -> None:
        self._transport = transport
        self._token = token
        self._user_agent = user_agent

    def start_device(self, repository: str) -> Json:
        """A device login: deviceCode, userCode, verificationUri, expiresIn and interval (seconds)."""
        return self.call("POST", "/v1/auth/device/start", {"repository": repository} if repository else {})

    def poll_device(self, code: str) -> Json:
        """The state of a device login: `status`, and with `approved` the token."""
        return self.call("POST", "/v1/auth/device/poll", {"deviceCode": code}, repeatable=True)

    def validate(self) -> Json:
        """Who the credential belongs to, as `username`."""
        return data_of(self.call("POST", "/v1/auth/token/validate", {}, repeatable=True))

    def logout(self) -> None:
        """Revokes the credential on the server."""
        self.call("POST", "/v1/auth/logout", {}, repeatable=True)

    def me(self) -> Json:
        """The person behind the credential: `username` and more."""
        return data_of(self.call("GET", "/v1/users/me"))

    def check_installation(self, repository: str) -> Json:
        """Whether the GitHub App sees a repository: `installed`, `installUrl`."""
        owner, name = repository.split("/")
        body = {"repoOwner": owner, "repoName": name}
        return data_of(self.call("POST", "/v1/github/check-installation", body, repeatable=True))

    def vault(self, repository: str) -> Json:
        """The vault of a repository. Raises NotFound without one, and for whoever may not see it."""
        owner, name = repository.split("/")
        return data_of(self.call("GET", f"/v1/vaults/{quote(owner, safe='')}/{quote(name, safe='')}"))

    def create_vault(self, repository: str) -> None:
        """Makes the vault of a repository. Raises Conflict when there is one."""
        self.call("POST", "/v1/vaults", {"repoFullName": repository})

    def pull(self, place: Place) -> Pulled:
        """Every value of an environment. Raises NotFound when there is none."""
        return pulled_from(data_of(_object(self._pull(place, {}))))

    def pull_unless(self, place: Place, tag: str) -> tuple[Pulled | None, str]:
        """The same, with the tag of this state; None when it is still the one that a tag stands for."""
        reply = self._pull(place, {"If-None-Match": tag} if tag else {})
        new = reply.headers.get("etag", "")
        if reply.status == 304 and tag:
            return None, new or tag
        return pulled_from(data_of(_object(reply))), new

    def at_revision(self, place: Place, known: str) -> Revision | None:
        """Where an environment stands now; None when it is still at the revision that is known."""
        owner, name = place.repository.split("/")
        path = f"/v1/vaults/{quote(owner, safe='')}/{quote(name, safe='')}"
        path += f"/environments/{quote(place.environment, safe='')}/revision"
        reply = self._send("GET", path, headers={"If-None-Match": f'"{known}"'}, repeatable=True)
        return None if reply.status == 304 else revision_of(data_of(_object(reply)).get("revision"))

    def _pull(self, place: Place, headers: dict[str, str]) -> Reply:
        query = f"repo={quote(place.repository, safe='')}&environment={quote(place.environment, safe='')}"
        path = f"/v1/secrets/pull?{query}"
        return self._send("GET", path, accept=SECRETS_JSON, headers=headers, repeatable=True)

    def pull_or_empty(self, place: Place) -> Pulled:
        """Every value of an environment, or an empty one."""
        try:
            return self.pull(place)
        except Empty as empty:
            return Pulled({}, empty.current)
        except NotFound:
            return Pulled({}, None)

    def merge(self, place: Place, values: dict[str, Sensitive], based_on: Revision | None) -> Pushed:
        """Sets these keys and leaves the others. Raises Moved when the environment is no longer at `based_on`."""
        return self._push(place, values, "merge", based_on)

    def replace(self, place: Place, values: dict[str, Sensitive], based_on: Revision) -> Pushed:
        """Makes the environment hold exactly these keys. Raises Moved when it is no longer at `based_on`."""
        return self._push(place, values, "replace", based_on)

    def _push(self, place: Place, values: dict[str, Sensitive], mode: str, based_on: Revision | None) -> Pushed:
        body = {
            "repoFullName": place.repository,
            "environment": place.environment,
            "mode": mode,
            "secrets": {key: value.reveal() for key, value in values.items()},
        }
        headers = {"Idempotency-Key": os.urandom(16).hex()}
        if based_on is not None:
            headers["If-Match"] = f'"{based_on.id}"'
        data = data_of(self.call("POST", "/v1/secrets/push", body, headers=headers, repeatable=True))
        created, updated, deleted = (_count(data.get("stats"), name) for name in ("created", "updated", "deleted"))
        return Pushed(created, updated, deleted, revision_of(data.get("revision")))

    def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
        repeatable: bool = False,
    ) -> Json:
        """The JSON object that the server answers; `{}` for an empty body. Raises what `_refusal` says."""
        repeatable = repeatable or method == "GET"
        return _object(self._send(method, path, body, accept=accept, headers=headers, repeatable=repeatable))

    def _send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
        repeatable: bool,
    ) -> Reply:
        sent = {"Accept": accept, "User-Agent": self._user_agent} | (headers or {})
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token.reveal()}"
        content = b""
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = json.dumps(body, separators=(",", ":")).encode()
        return self._transport.send(method, path, sent, content, repeatable=repeatable)


def pulled_from(data: Json) -> Pulled:
    """The values of a pull, in the JSON form. Raises KeywayError for what no server of ours sends."""
    secrets = data.get("secrets")
    if not isinstance(secrets, dict):
        raise foreign("the pull has no secrets in it")
    if not all(isinstance(value, str) for value in secrets.values()):
        raise foreign("a value in its answer is no text")
    return Pulled({key: Sensitive(value) for key, value in secrets.items()}, revision_of(data.get("revision")))


def _object(reply: Reply) -> Json:
    if 300 <= reply.status < 400:
        raise foreign(f"it redirects ({reply.status})")
    parsed = _parsed(reply)
    if reply.status >= 400:
        raise _refusal(reply, parsed or {})
    if parsed is None:
        raise foreign("its answer is no JSON object")
    return parsed


def _parsed(reply: Reply) -> Json | None:
    if not reply.body:
        return {}
    try:
        parsed = json.loads(reply.body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def foreign(what: str) -> KeywayError:
    """The error for an answer that no server of ours gives."""
    return KeywayError(f"this does not look like a Keyway server: {what}", "check KEYWAY_API_URL")


def data_of(answer: Json) -> Json:
    """The `data` of an answer's envelope."""
    data = answer.get("data")
    if not isinstance(data, dict):
        raise foreign("its answer has no data")
    return data


def _count(stats: object, name: str) -> int:
    count = stats.get(name, 0) if isinstance(stats, dict) else None
    if not isinstance(count, int):
        raise foreign("its answer has no counts")
    return count


def revision_of(found: object) -> Revision | None:
    """A revision as the wire carries it, or None."""
    number, name = (found.get("number"), found.get("id")) if isinstance(found, dict) else (None, None)
    if not isinstance(number, int) or not isinstance(name, str):
        return None
    # The id goes back in a header.
    return Revision(number, name) if re.fullmatch(r"[\w.-]{1,100}", name, re.ASCII) else None


def _refusal(reply: Reply, problem: Json) -> KeywayError:
    """The error that a status stands for, with the server's own words (RFC 7807 `detail`, `errors`)."""
    words, current = _words(reply.status, problem), revision_of(problem.get("currentRevision"))
    match reply.status:
        case 401:
            return NotSignedIn(
                f"the server does not accept this sign-in: {words}",
                "keyway login, or a new KEYWAY_TOKEN; nothing was deleted",
            )
        case 403:
            return NoAccess(words, _NO_VAULT_HINT)
        case 404:
            return Empty(words, current) if current else NotFound(words, _NO_VAULT_HINT if "ault" in words else "")
        case 409:
            return Moved(words, current) if current else Conflict(words)
        case status if status in _TEMPORARY:
            return _temporary(reply, words)
        case _:
            return KeywayError(f"the server refuses this: {words}")


def _words(status: int, problem: Json) -> str:
    words = str(problem.get("detail") or problem.get("title") or f"it answered {status}")
    errors = problem.get("errors")
    details = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    told = [f"{error.get('field')}: {error.get('message') or error.get('code')}" for error in details[:20]]
    return one_line("; ".join([words, *told]))


def _temporary(reply: Reply, words: str) -> Unavailable:
    after = reply.headers.get("retry-after", "")
    seconds = float(after) if re.fullmatch(r"[0-9]{1,5}", after) else 0.0
    hint = f"try again in {seconds:g} seconds" if seconds else "try again later"
    return Unavailable(f"the server cannot answer now: {words}", hint, retry_after=seconds)
