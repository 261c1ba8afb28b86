"""Railway: a token that people paste; GraphQL. Variables belong to a service in an environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from keyway_core.sensitive import Sensitive

from keyway_backend.clients.providers.base import (
    Account,
    Http,
    Key,
    NoSuchTarget,
    Project,
    ProviderFailed,
    ProviderSilent,
    Target,
    Variables,
    each,
    list_of,
    optional,
    text_of,
)

_ME: Final = "query { me { id name email } }"
_PROJECTS: Final = """query { projects { edges { node { id name createdAt
    environments { edges { node { id name } } } services { edges { node { id name } } } } } } }"""
_ENVIRONMENTS: Final = """query($project: String!) { project(id: $project) {
    environments { edges { node { id name } } } } }"""
_VARIABLES: Final = """query($project: String!, $environment: String!, $service: String) {
    variables(projectId: $project, environmentId: $environment, serviceId: $service, unrendered: true) }"""
_UPSERT: Final = "mutation($input: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $input) }"
_DELETE: Final = "mutation($input: VariableDeleteInput!) { variableDelete(input: $input) }"
_REDEPLOY: Final = """mutation($environment: String!, $service: String!) {
    serviceInstanceRedeploy(environmentId: $environment, serviceId: $service) }"""


class Railway:
    """Always there: nothing is configured, and nothing is called before somebody pastes a token."""

    name, display_name = "railway", "Railway"
    ignored_prefixes = ("RAILWAY_", "NIXPACKS_")
    oauth = False
    configured = True

    def __init__(self, *, api: str) -> None:
        self._http = Http(self.display_name, api)

    async def close(self) -> None:
        """Closes kept connections."""
        await self._http.close()

    def authorize_url(self, state: str, redirect_uri: str) -> str:  # noqa: ARG002 - the interface
        """Railway has no such page."""
        raise ProviderFailed("Railway is connected with a token, not in the browser.")

    async def exchange(self, code: str, redirect_uri: str) -> tuple[Key, Account]:  # noqa: ARG002 - the interface
        """Nor does it give codes."""
        raise ProviderFailed("Railway is connected with a token, not in the browser.")

    async def account(self, key: Key) -> Account:
        """The person."""
        me = (await self._ask(key, _ME)).get("me")
        return Account(text_of(me, "id"), optional(me, "name") or text_of(me, "id"), optional(me, "email"))

    async def projects(self, key: Key) -> list[Project]:
        """One entry per service of each project."""
        projects = _nodes((await self._ask(key, _PROJECTS)).get("projects"))
        return [_project(project, service) for project in projects for service in _nodes(project.get("services"))]

    async def read(self, key: Key, target: Target) -> Variables:
        """Every variable of the service there."""
        target = _with_service(target)
        environment = await self._environment(key, target)
        asked = {"project": target.project_id, "environment": environment, "service": target.service_id}
        found = (await self._ask(key, _VARIABLES, asked)).get("variables")
        if not isinstance(found, dict):
            raise ProviderSilent("Railway did not answer understandably.")
        values = {name: Sensitive(value) if isinstance(value, str) else None for name, value in found.items()}
        return Variables(values, {"": environment})

    async def write(
        self, key: Key, target: Target, values: Mapping[str, Sensitive], there: Variables, done: set[str]
    ) -> None:
        """All at once, or none; then the service is started anew."""
        target = _with_service(target)
        asked = self._where(target, there) | {
            "variables": {name: value.reveal() for name, value in values.items()},
            "replace": False,
            "skipDeploys": True,
        }
        try:
            await self._ask(key, _UPSERT, {"input": asked})
        except ProviderFailed:
            return
        done.update(values)
        await self._redeploy(key, target, there)

    async def delete(self, key: Key, target: Target, names: set[str], there: Variables, done: set[str]) -> None:
        """Each by itself."""
        where = self._where(_with_service(target), there)

        async def remove(name: str) -> None:
            await self._ask(key, _DELETE, {"input": where | {"name": name}})

        await each(names, remove, done)

    def _where(self, target: Target, there: Variables) -> dict[str, Any]:
        return {
            "projectId": target.project_id,
            "environmentId": there.handles[""],
            "serviceId": target.service_id,
        }

    async def _redeploy(self, key: Key, target: Target, there: Variables) -> None:
        """Variables are set either way; a service that was never deployed cannot be started anew."""
        if target.service_id is None:
            return
        try:
            await self._ask(key, _REDEPLOY, {"environment": there.handles[""], "service": target.service_id})
        except ProviderFailed:
            return

    async def _environment(self, key: Key, target: Target) -> str:
        """By its name alone: how protected a target is, is inferred from that (contract.md 2.6)."""
        project = (await self._ask(key, _ENVIRONMENTS, {"project": target.project_id})).get("project") or {}
        for one in _nodes(project.get("environments")):
            if one.get("name") == target.environment:
                return text_of(one, "id")
        raise NoSuchTarget("Railway has no such project or environment for this connection.")

    async def _ask(self, key: Key, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GraphQL answers 200 also to what it refuses."""
        body = {"query": query, "variables": dict(variables or {})}
        answer = await self._http.call("POST", "", token=key.token, json=body)
        if not isinstance(answer, dict) or answer.get("errors") or not isinstance(answer.get("data"), dict):
            raise ProviderFailed("Railway refused the request. Is the token still good?")
        found: dict[str, Any] = answer["data"]
        return found


def _with_service(target: Target) -> Target:
    """A link names environment and service in one (contract.md 4.12); who reads it there sends it back like that."""
    environment, colon, service = target.environment.rpartition(":")
    if target.service_id is not None or not colon:
        return target
    return Target(target.project_id, environment, service)


def _nodes(found: Any) -> list[dict[str, Any]]:
    edges = found.get("edges") if isinstance(found, dict) else None
    return [edge.get("node") or {} for edge in list_of(edges or [])]


def _project(project: dict[str, Any], service: dict[str, Any]) -> Project:
    return Project(
        text_of(project, "id"),
        text_of(project, "name"),
        service_id=text_of(service, "id"),
        service_name=text_of(service, "name"),
        environments=tuple(text_of(one, "name") for one in _nodes(project.get("environments"))),
        created_at=optional(project, "createdAt"),
    )
