"""Vercel: an integration that people install; variables belong to targets, and one entry may serve several of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from keyway_core.sensitive import Sensitive

from keyway_backend.clients.providers.base import (
    Account,
    Http,
    Key,
    Project,
    ProviderFailed,
    Target,
    Variables,
    list_of,
    optional,
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

    async def close(self) -> None:
        """Closes kept connections."""
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
        """The entries that serve the target. Sensitive ones tell no value."""
        query = {"teamId": key.team_id, "decrypt": "true"}
        page = await self._http.call("GET", self._path(target), token=key.token, query=query) or {}
        entries = [one for one in list_of(page.get("envs")) if target.environment in _targets(one)]
        values = {text_of(one, "key"): _value(one) for one in entries}
        return Variables(values, {text_of(one, "key"): one for one in entries})

    async def write(self, key: Key, target: Target, values: Mapping[str, Sensitive], there: Variables) -> set[str]:
        """One variable after the other: an entry that serves other targets too is left to them, and ours is added."""
        failed: set[str] = set()
        for name, value in values.items():
            try:
                await self._set(key, target, name, value, there.handles.get(name))
            except ProviderFailed:
                failed.add(name)
        return failed

    async def delete(self, key: Key, target: Target, names: set[str], there: Variables) -> set[str]:
        """Takes the target from each entry, and the entry away that served nothing else."""
        failed: set[str] = set()
        for name in names:
            try:
                await self._leave(key, target, there.handles[name])
            except ProviderFailed:
                failed.add(name)
        return failed

    async def _set(self, key: Key, target: Target, name: str, value: Sensitive, entry: Any) -> None:
        query = {"teamId": key.team_id}
        if entry is not None and _targets(entry) == [target.environment]:
            path = f"{self._path(target)}/{quote(text_of(entry, 'id'))}"
            await self._http.call("PATCH", path, token=key.token, query=query, json={"value": value.reveal()})
            return
        new = {"key": name, "value": value.reveal(), "type": "encrypted", "target": [target.environment]}
        if entry is not None:
            await self._leave(key, target, entry)
        try:
            await self._http.call("POST", self._path(target), token=key.token, query=query, json=new)
        except ProviderFailed:
            if entry is not None:
                path = f"{self._path(target)}/{quote(text_of(entry, 'id'))}"
                await self._http.call("PATCH", path, token=key.token, query=query, json={"target": _targets(entry)})
            raise

    async def _leave(self, key: Key, target: Target, entry: Any) -> None:
        path = f"{self._path(target)}/{quote(text_of(entry, 'id'))}"
        others = [one for one in _targets(entry) if one != target.environment]
        method, body = ("PATCH", {"target": others}) if others else ("DELETE", None)
        await self._http.call(method, path, token=key.token, query={"teamId": key.team_id}, json=body)

    def _path(self, target: Target) -> str:
        return f"/v10/projects/{quote(target.project_id, safe='')}/env"


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


def _value(entry: Mapping[str, Any]) -> Sensitive | None:
    """What was decrypted for us, or was never encrypted."""
    readable = entry.get("type") == "plain" or (entry.get("type") == "encrypted" and entry.get("decrypted") is True)
    value = entry.get("value")
    return Sensitive(value) if readable and isinstance(value, str) else None
