"""The interface of a provider, and one HTTP call to one: bounded in time, without redirects, told in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx
from keyway_core.sensitive import Sensitive

from keyway_backend.clients.tls import trusted

CALL_SECONDS: Final = 8.0
_AT_ONCE: Final = 8
_LATER: Final = frozenset({408, 425, 429})


class ProviderFailed(Exception):
    """The provider did not do it. The text is a sentence of ours: never a token, a value or the provider's words."""


class NoSuchTarget(ProviderFailed):
    """The provider was there, and has no such project, environment or service for this connection."""


class ProviderSilent(ProviderFailed):
    """It cannot be reached, does not answer in time, or is broken itself: nothing is said about the token."""


@dataclass(frozen=True, slots=True)
class Key:
    """What opens an account there."""

    token: Sensitive
    team_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account it is; labels, but for the ids."""

    id: str
    username: str
    email: str | None = None
    team_id: str | None = None
    team_name: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """Something that has variables."""

    id: str
    name: str
    service_id: str | None = None
    service_name: str | None = None
    linked_repo: str | None = None
    framework: str | None = None
    environments: tuple[str, ...] = ()
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where variables are: an environment of a project, for some providers of one service in it."""

    project_id: str
    environment: str
    service_id: str | None = None


@dataclass(frozen=True, slots=True)
class Variables:
    """What is there. A value of None cannot be read, so it is neither compared nor deleted.

    `fixed` serve more than the target and cannot be taken from it alone, so they are not deleted either. `handles` are
    the provider's own, which `write` and `delete` need.
    """

    values: Mapping[str, Sensitive | None]
    handles: Mapping[str, Any] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()


class Provider(Protocol):
    """One provider. Every method that asks it raises ProviderFailed."""

    @property
    def name(self) -> str:
        """As the wire calls it."""

    @property
    def display_name(self) -> str:
        """As people call it."""

    @property
    def ignored_prefixes(self) -> tuple[str, ...]:
        """Of variables that are the provider's own."""

    @property
    def configured(self) -> bool:
        """Whether this server can connect to it."""

    @property
    def oauth(self) -> bool:
        """Whether it is connected in the browser, and not with a token."""

    def authorize_url(self, state: str, redirect_uri: str) -> str:
        """Where a browser goes to consent."""

    async def exchange(self, code: str, redirect_uri: str) -> tuple[Key, Account]:
        """The key for a code that a browser brought back."""

    async def account(self, key: Key) -> Account:
        """Whose key it is."""

    async def projects(self, key: Key) -> list[Project]:
        """What it reaches."""

    async def read(self, key: Key, target: Target) -> Variables:
        """The variables of a target."""

    async def write(
        self, key: Key, target: Target, values: Mapping[str, Sensitive], there: Variables, done: set[str]
    ) -> None:
        """Sets variables, and adds each name to `done` when it is accepted: the caller may break off at any moment."""

    async def delete(self, key: Key, target: Target, names: set[str], there: Variables, done: set[str]) -> None:
        """Deletes variables, and adds each name to `done` when it is gone. May be broken off as well."""


class Http:
    """Calls of one provider."""

    def __init__(self, name: str, base: str) -> None:
        self._name = name
        self._base = base.rstrip("/")
        self._client = httpx.AsyncClient(
            timeout=CALL_SECONDS, follow_redirects=False, trust_env=False, verify=trusted()
        )

    async def close(self) -> None:
        """Closes kept connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: Sensitive | None = None,
        query: Mapping[str, str | None] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Any:
        """The parsed answer. Raises ProviderFailed."""
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token is not None else {}
        params = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = await self._client.request(
                method, self._base + path, headers=headers, params=params, json=json, data=form
            )
            if answer.is_success:
                return answer.json() if answer.content else None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise ProviderSilent(f"{self._name} cannot be reached, or did not answer understandably.") from None
        if answer.status_code in {401, 403}:
            raise ProviderFailed(f"{self._name} refused the connection's token. Disconnect it and connect it again.")
        if answer.status_code == 404:
            raise NoSuchTarget(f"{self._name} has no such project or environment for this connection.")
        later = answer.is_server_error or answer.status_code in _LATER
        failed = ProviderSilent if later else ProviderFailed
        raise failed(f"{self._name} answered with status {answer.status_code}.")


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Bounds everything that is asked of a provider inside the block. Raises ProviderSilent."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise ProviderSilent("The provider did not answer in time.") from None


async def each(names: Iterable[str], do: Callable[[str], Awaitable[None]], done: set[str]) -> None:
    """Does it for several names at once, and adds those for which it succeeded."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            try:
                await do(name)
            except ProviderFailed:
                return
            done.add(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


def segment(text: str) -> str:
    """A name as one step of a path. Raises NoSuchTarget for one that would be a step elsewhere."""
    if text in {".", ".."}:
        raise NoSuchTarget("There is no project of that name for this connection.")
    return quote(text, safe="")


def text_of(found: Any, name: str) -> str:
    """A field that must be a text. Raises ProviderFailed."""
    value = found.get(name) if isinstance(found, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise ProviderSilent("The provider's answer has not the form that was expected.")
    return value


def optional(found: Any, name: str) -> str | None:
    """A field that may be missing."""
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) and value else None


def list_of(found: Any) -> list[dict[str, Any]]:
    """A list of objects. Raises ProviderFailed."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ProviderSilent("The provider's answer has not the form that was expected.")
    return found
