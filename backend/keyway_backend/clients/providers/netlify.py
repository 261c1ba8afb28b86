"""Netlify: OAuth; variables belong to an account, restricted to a site, with a value per deploy context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

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

_PAGES: Final = 20
_PER_PAGE: Final = 100
_CONTEXTS: Final = ("production", "deploy-preview", "branch-deploy", "dev")
_EVERY_CONTEXT: Final = "all"


class Netlify:
    """A configured OAuth application, or none."""

    name, display_name = "netlify", "Netlify"
    ignored_prefixes = ("NETLIFY_",)
    oauth = True

    def __init__(self, *, web: str, api: str, client_id: str, client_secret: Sensitive) -> None:
        self._web = web.rstrip("/")
        self._client_id, self._client_secret = client_id, client_secret
        self._http = Http(self.display_name, api)
        self.configured = bool(client_id)

    async def close(self) -> None:
        """Closes kept connections."""
        await self._http.close()

    def authorize_url(self, state: str, redirect_uri: str) -> str:
        """The page of consent."""
        asked = {
            "client_id": self._client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._web}/authorize?{urlencode(asked)}"

    async def exchange(self, code: str, redirect_uri: str) -> tuple[Key, Account]:
        """The key for a code."""
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "client_secret": self._client_secret.reveal(),
            "code": code,
            "redirect_uri": redirect_uri,
        }
        key = Key(Sensitive(text_of(await self._http.call("POST", "/oauth/token", form=form), "access_token")))
        return key, await self.account(key)

    async def account(self, key: Key) -> Account:
        """The person."""
        user = await self._http.call("GET", "/api/v1/user", token=key.token)
        return Account(text_of(user, "id"), optional(user, "full_name") or text_of(user, "id"), optional(user, "email"))

    async def projects(self, key: Key) -> list[Project]:
        """All pages of sites."""
        found: list[Project] = []
        for page in range(1, _PAGES + 1):
            query = {"page": str(page), "per_page": str(_PER_PAGE)}
            sites = list_of(await self._http.call("GET", "/api/v1/sites", token=key.token, query=query))
            found += [_project(site) for site in sites]
            if len(sites) < _PER_PAGE:
                break
        return found

    async def read(self, key: Key, target: Target) -> Variables:
        """Of each variable the value of our context, else the one of every context. Secret ones tell none."""
        if target.environment not in _CONTEXTS:  # "all" among others: production would be written with it
            raise NoSuchTarget(f"Netlify has no such environment for a sync; it has {', '.join(_CONTEXTS)}.")
        path, query = await self._place(key, target)
        entries = list_of(await self._http.call("GET", path, token=key.token, query=query))
        there = {text_of(one, "key"): one for one in entries if _value_in(one, target.environment) is not None}
        values = {name: _readable(one, target.environment) for name, one in there.items()}
        shared = (name for name, one in there.items() if not _is_own(one, target.environment))
        return Variables(values, there, frozenset(shared))

    async def write(
        self, key: Key, target: Target, values: Mapping[str, Sensitive], there: Variables, done: set[str]
    ) -> None:
        """The value of our context, of each variable."""
        path, query = await self._place(key, target)

        async def put(name: str) -> None:
            own = {"context": target.environment, "value": values[name].reveal()}
            if name in there.handles:
                at = f"{path}/{segment(name)}"
                await self._http.call("PATCH", at, token=key.token, query=query, json=own)
                return
            new = [{"key": name, "values": [own]}]
            await self._http.call("POST", path, token=key.token, query=query, json=new)

        await each(values, put, done)

    async def delete(self, key: Key, target: Target, names: set[str], there: Variables, done: set[str]) -> None:
        """The value of our context. One that serves every context is not ours to delete."""
        path, query = await self._place(key, target)

        async def remove(name: str) -> None:
            entry = there.handles[name]
            if not _is_own(entry, target.environment):
                raise ProviderFailed("It serves every context.")
            value = _value_in(entry, target.environment)
            at = f"{path}/{segment(name)}/value/{segment(text_of(value, 'id'))}"
            await self._http.call("DELETE", at, token=key.token, query=query)

        await each(names, remove, done)

    async def _place(self, key: Key, target: Target) -> tuple[str, dict[str, str | None]]:
        site = await self._http.call("GET", f"/api/v1/sites/{segment(target.project_id)}", token=key.token)
        account = optional(site, "account_id") or text_of(site, "account_slug")
        return f"/api/v1/accounts/{segment(account)}/env", {"site_id": target.project_id}


def _project(site: dict[str, Any]) -> Project:
    repo = optional(site.get("build_settings") or {}, "repo_path")
    return Project(
        text_of(site, "id"),
        text_of(site, "name"),
        linked_repo=repo,
        environments=_CONTEXTS,
        created_at=optional(site, "created_at"),
    )


def _value_in(entry: Mapping[str, Any], context: str) -> dict[str, Any] | None:
    values = list_of(entry.get("values") or [])
    for wanted in (context, _EVERY_CONTEXT):
        for value in values:
            if value.get("context") == wanted:
                return value
    return None


def _is_own(entry: Mapping[str, Any], context: str) -> bool:
    return (_value_in(entry, context) or {}).get("context") == context


def _readable(entry: Mapping[str, Any], context: str) -> Sensitive | None:
    value = (_value_in(entry, context) or {}).get("value")
    return Sensitive(value) if isinstance(value, str) and entry.get("is_secret") is not True else None
