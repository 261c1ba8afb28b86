"""Vercel: an integration that people install; variables belong to targets, and one entry may serve several of them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from keyway_core.sensitive import Sensitive

from keyway_backend.clients.providers.base import (
    Account,
    Http,
    Key,
    NoSuchTarget,
    Project,
    ProviderFailed,
    Target,
    Variables,
    each,
    list_of,
    optional,
    segment,
    text_of,
)
from keyway_backend.platform.clock import iso

_PAGES: Final = 20
_ENVIRONMENTS: Final = ("production", "preview", "development")


class Vercel:
    """A configured integration, or one that is not."""

    name, display_name = "vercel", "Vercel"
    ignored_prefixes = ("VERCEL_", "NEXT_PUBLIC_VERCEL_")
    oauth = True

    def __init__(self, *, web: str, api: str, client_id: str, client_secret: Sensitive, slug: str) -> None:
        self._web, self._slug = web.rstrip("/"), slug
        self._client_id, self._client_secret = client_id, client_secret
        self._http = Http(self.display_name, api)
        self.configured = bool(client_id)
        self._exchanges: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Closes kept connections, when no variable is between its old entry and its new one."""
        if self._exchanges:
            await asyncio.wait(self._exchanges)
        await self._http.close()

    def authorize_url(self, state: str, redirect_uri: str) -> str:  # noqa: ARG002 - the integration knows it
        """The page that installs the integration."""
        return f"{self._web}/integrations/{quote(self._slug)}/new?{urlencode({'state': state})}"

    async def exchange(self, code: str, redirect_uri: str) -> tuple[Key, Account]:
        """The key for a code."""
        form = {
            "client_id": self._client_id,
            "client_secret": self._client_secret.reveal(),
            "code": code,
            "redirect_uri": redirect_uri,
        }
        found = await self._http.call("POST", "/v2/oauth/access_token", form=form)
        key = Key(Sensitive(text_of(found, "access_token")), optional(found, "team_id"))
        return key, await self.account(key)

    async def account(self, key: Key) -> Account:
        """The person, and the team if the integration was installed for one."""
        user = (await self._http.call("GET", "/v2/user", token=key.token) or {}).get("user")
        team = None
        if key.team_id is not None:
            team = optional(await self._http.call("GET", f"/v2/teams/{quote(key.team_id)}", token=key.token), "name")
        return Account(text_of(user, "id"), text_of(user, "username"), optional(user, "email"), key.team_id, team)

    async def projects(self, key: Key) -> list[Project]:
        """All pages."""
        found: list[Project] = []
        until: str | None = None
        for _ in range(_PAGES):
            query = {"teamId": key.team_id, "limit": "100", "until": until}
            page = await self._http.call("GET", "/v9/projects", token=key.token, query=query) or {}
            found += [_project(one) for one in list_of(page.get("projects"))]
            until = str(after) if (after := (page.get("pagination") or {}).get("next")) else None
            if until is None:
                break
        return found

    async def read(self, key: Key, target: Target) -> Variables:
        """The entries that serve the target, not those of a single branch. Sensitive ones tell no value."""
        if target.environment not in _ENVIRONMENTS:
            raise NoSuchTarget(f"Vercel has no such environment for a sync; it has {', '.join(_ENVIRONMENTS)}.")
        query = {"teamId": key.team_id, "decrypt": "true"}
        page = await self._http.call("GET", self._path(target), token=key.token, query=query) or {}
        found = list_of(page.get("envs"))
        entries = [one for one in found if target.environment in _targets(one) and not one.get("gitBranch")]
        values = {text_of(one, "key"): _value(one) for one in entries}
        return Variables(values, {text_of(one, "key"): one for one in entries})

    async def write(
        self, key: Key, target: Target, values: Mapping[str, Sensitive], there: Variables, done: set[str]
    ) -> None:
        """Variable by variable: an entry that serves other targets too is left to them, and ours is added."""

        async def put(name: str) -> None:
            await self._set(key, target, name, values[name], there.handles.get(name))

        await each(values, put, done)

    async def delete(self, key: Key, target: Target, names: set[str], there: Variables, done: set[str]) -> None:
        """Takes the target from each entry, and the entry away that served nothing else."""

        async def remove(name: str) -> None:
            await self._leave(key, target, there.handles[name])

        await each(names, remove, done)

    async def _set(self, key: Key, target: Target, name: str, value: Sensitive, entry: Any) -> None:
        query = {"teamId": key.team_id}
        if entry is not None and not _others(entry, target.environment):
            path = f"{self._path(target)}/{segment(text_of(entry, 'id'))}"
            await self._http.call("PATCH", path, token=key.token, query=query, json={"value": value.reveal()})
            return
        new = {"key": name, "value": value.reveal(), "type": _type_of(entry), "target": [target.environment]}
        if entry is not None:
            await self._unbroken(self._exchange(key, target, entry, new))
            return
        await self._http.call("POST", self._path(target), token=key.token, query=query, json=new)

    async def _exchange(self, key: Key, target: Target, entry: Any, new: Mapping[str, Any]) -> None:
        """Two entries of one name cannot serve one target, so the old one leaves it first, or comes back."""
        query = {"teamId": key.team_id}
        await self._leave(key, target, entry)
        try:
            await self._http.call("POST", self._path(target), token=key.token, query=query, json=new)
        except ProviderFailed:
            path = f"{self._path(target)}/{segment(text_of(entry, 'id'))}"
            await self._http.call("PATCH", path, token=key.token, query=query, json={"target": _targets(entry)})
            raise

    async def _unbroken(self, exchange: Coroutine[Any, Any, None]) -> None:
        """Goes on to its end when whoever waits for it does not any more: else the target would lack the variable."""
        task = asyncio.create_task(exchange)
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        await asyncio.shield(task)

    async def _leave(self, key: Key, target: Target, entry: Any) -> None:
        path = f"{self._path(target)}/{segment(text_of(entry, 'id'))}"
        left = [one for one in _targets(entry) if one != target.environment]
        method, body = ("PATCH", {"target": left}) if _others(entry, target.environment) else ("DELETE", None)
        await self._http.call(method, path, token=key.token, query={"teamId": key.team_id}, json=body)

    def _path(self, target: Target) -> str:
        return f"/v10/projects/{segment(target.project_id)}/env"


def _project(found: dict[str, Any]) -> Project:
    link = found.get("link") or {}
    repo = f"{link['org']}/{link['repo']}" if link.get("org") and link.get("repo") else None
    made = found.get("createdAt")
    created = iso(datetime.fromtimestamp(made / 1000, UTC)) if isinstance(made, int) else None
    return Project(
        text_of(found, "id"),
        text_of(found, "name"),
        linked_repo=repo,
        framework=optional(found, "framework"),
        environments=_ENVIRONMENTS,
        created_at=created,
    )


def _targets(entry: Mapping[str, Any]) -> list[str]:
    target = entry.get("target")
    return [target] if isinstance(target, str) else [str(one) for one in target or ()]


def _others(entry: Mapping[str, Any], environment: str) -> bool:
    """Whether an entry serves more than this target: other ones, or environments that a team made itself."""
    return _targets(entry) != [environment] or bool(entry.get("customEnvironmentIds"))


def _type_of(entry: Mapping[str, Any] | None) -> str:
    """What could not be read there stays so."""
    return "sensitive" if entry is not None and entry.get("type") == "sensitive" else "encrypted"


def _value(entry: Mapping[str, Any]) -> Sensitive | None:
    """What was decrypted for us, or was never encrypted."""
    readable = entry.get("type") == "plain" or (entry.get("type") == "encrypted" and entry.get("decrypted") is True)
    value = entry.get("value")
    return Sensitive(value) if readable and isinstance(value, str) else None
