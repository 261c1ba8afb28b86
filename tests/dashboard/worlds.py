"""What pages are looked at in: a vault with something of everything that a page can show, and people around it.

`World` answers with names and ids, so that a line of `pages.py` can make its address. `furnish` puts things in; whoever
adds a page adds there what it has to show.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from keyway_standalone.processes import Stack
from oracle import stage
from oracle.stage import GitHub, Home
from oracle.wire import Call, bearer, send
from stack import sign_in
from standins.providers import TOKEN

VALUES: Final = {"DATABASE_URL": "postgres://app@db/main", "REDIS_URL": "redis://cache", "API_KEY": "k-0001"}


@dataclass
class World:
    """`full` has something of everything, `bare` is a new vault. `people` are logins by role: who looks at a page."""

    full: Home
    bare: str
    people: dict[str, str]
    _known: dict[str, Any] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        """The installation."""
        return self.full.stack

    @property
    def vault(self) -> str:
        """The full vault's owner/name."""
        return self.full.full_name

    @property
    def org(self) -> str:
        """The organisation that owns it."""
        return self.vault.partition("/")[0]

    def data(self, path: str) -> Any:
        """The `data` of an answer of the API to the administrator, asked once; {vault} and {org} stand for names."""
        asked = path.format(vault=self.vault, org=self.org)
        if asked not in self._known:
            answer = self.full.get(asked)
            assert answer.status == 200, (asked, answer.body)
            self._known[asked] = answer.json()["data"]
        return self._known[asked]

    def id(self, path: str, **where: str) -> str:
        """The id of the first thing in such a list that has these fields."""
        found = self.data(path)
        listed = found if isinstance(found, list) else next(one for one in found.values() if isinstance(one, list))
        return str(next(one["id"] for one in listed if where.items() <= one.items()))

    @functools.cached_property
    def secret(self) -> str:
        """The id of DATABASE_URL in development."""
        return self.id("/v1/vaults/{vault}/secrets", key="DATABASE_URL", environment="development")

    @functools.cached_property
    def changed(self) -> str:
        """The id of a secret that had another value before: REDIS_URL in development."""
        return self.id("/v1/vaults/{vault}/secrets", key="REDIS_URL", environment="development")

    @functools.cached_property
    def link(self) -> str:
        """The id of the full vault's sync."""
        return str(self.data("/v1/vaults/{vault}")["syncs"][0]["id"])


def small(stack: Stack) -> World:
    """A world that is made in a second."""
    full = stage.home(stack, "every-page", keep=False)
    github = GitHub(stack)
    bare = f"{full.full_name.partition('/')[0]}/new-one"
    github.repo(bare, {full.admin: "admin"})
    stage.create_vault(stack, full.token, bare)
    github.repo(f"{full.full_name.partition('/')[0]}/not-yet", {full.admin: "admin"})
    people = {"admin": full.admin, "newcomer": github.user("newcomer")}
    people |= {role: full.login_with(role) for role in ("write", "read")}
    furnish(full)
    # Somebody saw values; what was seen by whom is summed up by a job.
    assert stage.pull(stack, sign_in(stack, people["write"]), full.full_name, "development")
    linked(full)
    return World(full, bare, people)


def furnish(home: Home) -> None:
    """Something of everything: several revisions, equal, different and missing values, a key in the trash."""
    _pushed(home, VALUES, "development")
    _pushed(home, VALUES | {"API_KEY": "k-0002"}, "production")
    _pushed(home, {"REDIS_URL": "redis://other", "OLD_TOKEN": "t"}, "development")
    body = {"repoFullName": home.full_name, "environment": "development", "mode": "merge", "secrets": {}}
    assert home.post("/v1/secrets/push", body | {"delete": ["OLD_TOKEN"]}).status == 200
    _keyed(home)
    _ruled(home)


def linked(home: Home) -> None:
    """An account at Railway and a sync over it. The stack must know the stand-in of `tests/standins/providers.py`."""
    there = "/v1/integrations"
    assert home.post(f"{there}/railway/connect", {"token": TOKEN}).status == 200
    [account] = home.get(f"{there}/connections").json()["data"]["connections"]
    body = {"connectionId": account["id"], "projectId": "rp", "serviceId": "svc"}
    assert home.post(f"{there}/vaults/{home.full_name}/sync/link", body).status == 200


def _ruled(home: Home) -> None:
    """Overrides of a role, and rules for workflow runs."""
    base = f"/v1/vaults/{home.full_name}"
    for environment, role in (("production", "write"), ("*", "triage")):
        body = {"environment": environment, "targetType": "role", "targetRole": role, "canRead": True}
        assert home.post(f"{base}/permissions/overrides", body | {"canWrite": False}).status == 200
    branches = {"environment": "production", "refs": ["refs/heads/main", "refs/heads/release/*"]}
    tags = {"environment": "production", "refs": ["refs/tags/v*"], "events": ["release"]}
    for rule in (branches | {"githubEnvironment": "production"}, tags | {"runnerEnvironment": "self-hosted"}):
        assert home.post(f"{base}/oidc-rules", rule).status == 201
    assert home.post("/v1/orgs/connect", {"orgLogin": home.full_name.partition("/")[0]}).status == 200
    assistant = (bearer(home.token), ("User-Agent", "keyway-mcp/1.0"))
    pull = f"/v1/secrets/pull?repo={home.full_name}&environment=development"
    assert send(home.base, Call("GET", pull, assistant)).status == 200


def _keyed(home: Home) -> None:
    """An API key that may little from one place, and one that may much and was revoked."""
    key = {"name": "deploy of the web shop", "environment": "live", "scopes": ["read:secrets"]}
    bound = {"vaultIds": [home.vault_id], "allowedIps": ["203.0.113.0/24"]}
    assert home.post("/v1/api-keys", key | bound).status == 200
    old = {"name": "backup", "environment": "live", "scopes": ["read:secrets", "admin:api-keys"]}
    id_ = home.post("/v1/api-keys", old).json()["data"]["id"]
    assert send(home.base, Call("DELETE", f"/v1/api-keys/{id_}", (bearer(home.token),))).status == 204


def _pushed(home: Home, values: Mapping[str, str], environment: str) -> None:
    body = {"repoFullName": home.full_name, "environment": environment, "mode": "merge", "secrets": dict(values)}
    assert home.post("/v1/secrets/push", body).status == 200
