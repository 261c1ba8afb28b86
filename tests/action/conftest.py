"""A repository with a vault, and jobs of its workflows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from keyway_standalone.processes import Stack

from tests.action.runner import Job, Runner
from tests.oracle import stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Call, bearer, send


@dataclass
class Workshop:
    """A vault, and jobs of its repository."""

    home: Home
    github: GitHub

    @property
    def api_url(self) -> str:
        """The server."""
        return str(self.home.base)

    def job(self, *, id_token: bool = True, secrets: dict[str, str] | None = None, **claims: Any) -> Job:
        """A job that was started by the administrator, whose tokens say this beside the usual."""
        repository = str(claims.get("repository", self.home.full_name))

        def ask() -> tuple[str, str]:
            made = self.github.do("start-run", repo=self.home.full_name, login=self.home.admin, claims=claims)
            return made["url"], made["token"]

        event, ref = claims.get("event_name", "push"), claims.get("ref", "refs/heads/main")
        known = {"KEYWAY_API_URL": self.api_url}
        return Job(repository, event, ref, secrets or {}, known, ask if id_token else None)

    def replace(self, environment: str, values: dict[str, str]) -> None:
        """Makes an environment hold exactly this."""
        path = f"/v1/vaults/{self.home.full_name}/environments/{environment}/revision"
        head = self.home.get(path).json()["data"]["revision"]["id"]
        body = {"repoFullName": self.home.full_name, "environment": environment, "mode": "replace", "secrets": values}
        headers = (bearer(self.home.token), ("If-Match", f'"{head}"'))
        answer = send(self.home.base, Call("POST", "/v1/secrets/push", headers, body))
        assert answer.status == 200, answer.body

    def rule(self, environment: str, **conditions: Any) -> None:
        """A rule, made by the administrator."""
        path = f"/v1/vaults/{self.home.full_name}/oidc-rules"
        answer = self.home.post(path, {"environment": environment} | conditions)
        assert answer.status == 201, answer.body


@pytest.fixture(scope="session")
def workshop(stack: Stack) -> Workshop:
    """A vault with values in development and staging."""
    home = stage.home(stack, "action")
    assert home.push({"STAGED": "of-staging-only"}, "staging").status == 200
    return Workshop(home, GitHub(stack))


@pytest.fixture
def start(workshop: Workshop, tmp_path: Path) -> Callable[..., Runner]:
    """A job of the repository on a machine of its own: `start(**claims)`."""

    def started(**options: Any) -> Runner:
        return Runner(tmp_path / "machine", workshop.job(**options))

    return started
