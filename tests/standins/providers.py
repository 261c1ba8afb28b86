"""Vercel, Netlify and Railway for tests: the part of each that is asked, with state that tests look into."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .web import Asked, Standin, serving

TOKEN = "provider-access-token"
# The code that Vercel gives when its integration was installed for a team.
OF_A_TEAM = "good-for-a-team"


@dataclass
class Providers:
    """All three behind one address. `entries` are Vercel's, `accounts` Netlify's variables, `variables` Railway's."""

    web: Standin
    entries: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    variables: dict[str, Any] = field(default_factory=dict)
    down: bool = False
    revoked: bool = False
    refuses: set[str] = field(default_factory=set)
    # What people there called their accounts, teams, projects, services and environments: a project for each.
    called: Sequence[str] = ()

    def environment(self) -> dict[str, str]:
        """The backend's variables."""
        return {
            "VERCEL_CLIENT_ID": "vercel-id",
            "VERCEL_CLIENT_SECRET": "vercel-secret",
            "VERCEL_INTEGRATION_SLUG": "keyway",
            "VERCEL_API_URL": self.web.url,
            "VERCEL_URL": self.web.url,
            "NETLIFY_CLIENT_ID": "netlify-id",
            "NETLIFY_CLIENT_SECRET": "netlify-secret",
            "NETLIFY_API_URL": self.web.url,
            "NETLIFY_URL": self.web.url,
            "RAILWAY_API_URL": f"{self.web.url}/graphql",
        }

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """What they say."""
        if self.down:
            return 502, {}
        if asked.path.endswith("/oauth/access_token") or asked.path == "/oauth/token":
            given = {"good": {}, OF_A_TEAM: {"team_id": "team_1"}}.get(asked.form().get("code", ""))
            return (200, {"access_token": TOKEN, **given}) if given is not None else (400, {})
        if self.revoked or asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {}
        if asked.path == "/graphql":
            return self._railway(asked.json())
        return self._netlify(asked) if asked.path.startswith("/api/v1/") else self._vercel(asked)

    def _named(self, usual: str) -> list[str]:
        return list(self.called) or [usual]

    def _one(self, usual: str) -> str:
        return self._named(usual)[0]

    def _vercel(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/v2/user":
            return 200, {"user": {"id": "v-1", "username": self._one("ada"), "email": "ada@example.org"}}
        if asked.path == "/v2/teams/team_1":
            return 200, {"id": "team_1", "name": self._one("Team")}
        if asked.path == "/v9/projects":
            link = {"org": "acme", "repo": "app"}
            about = {"framework": "nextjs", "link": link, "createdAt": 1700000000000}
            made = [{"id": _id("prj", at), "name": name, **about} for at, name in enumerate(self._named("site"))]
            return 200, {"projects": made, "pagination": {"next": None}}
        if not (found := re.fullmatch(r"/v10/projects/prj/env(?:/(\w+))?", asked.path)):
            return 404, {}
        return self._entry(asked, found[1])

    def _entry(self, asked: Asked, id_: str | None) -> tuple[int, Any]:
        entry = next((one for one in self.entries if one["id"] == id_), {})
        match asked.method:
            case "GET":
                return 200, {"envs": [{**one, "decrypted": one["type"] == "encrypted"} for one in self.entries]}
            case "POST":
                new = asked.json()
                clash = any(
                    one["key"] == new["key"] and set(one["target"]) & set(new["target"]) for one in self.entries
                )
                if clash or new["key"] in self.refuses:
                    return 400, {}
                self.entries.append({"id": f"env{len(self.entries)}x", **new})
            case "PATCH":
                if entry.get("key") in self.refuses and "value" in asked.json():
                    return 400, {}
                entry.update(asked.json())
            case "DELETE":
                self.entries.remove(entry)
        return 200, {}

    def _netlify(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/api/v1/user":
            return 200, {"id": "n-1", "full_name": self._one("Ada"), "email": None}
        about = {"account_id": "acc", "build_settings": {"repo_path": "acme/app"}}
        sites = [{"id": _id("site1", at), "name": name, **about} for at, name in enumerate(self._named("site"))]
        if asked.path == "/api/v1/sites":
            page, size = int(asked.query.get("page", 1)), int(asked.query.get("per_page", 100))
            return 200, sites[(page - 1) * size : page * size]
        if asked.path == "/api/v1/sites/site1":
            return 200, sites[0]
        found = re.fullmatch(r"/api/v1/accounts/acc/env(?:/(\w+))?(?:/value/(\w+))?", asked.path)
        if not found or asked.query.get("site_id") != "site1":
            return 404, {}
        entry = next((one for one in self.accounts if one["key"] == found[1]), {"values": []})
        match asked.method:
            case "GET":
                return 200, self.accounts
            case "POST":
                for new in asked.json():
                    self.accounts.append({**new, "values": [{"id": "v9", **one} for one in new["values"]]})
            case "PATCH":
                sent = asked.json()
                kept = [one for one in entry["values"] if one["context"] != sent["context"]]
                entry["values"] = [*kept, {"id": "v8", **sent}]
            case "DELETE":
                entry["values"] = [one for one in entry["values"] if one["id"] != found[2]]
        return 200, {}

    def _railway(self, body: Any) -> tuple[int, Any]:  # noqa: PLR0911 - an answer per question
        query, given = body["query"], body["variables"]
        production = {"node": {"id": "env-p", "name": "production"}}
        environments = {"edges": [production]}
        if "variableCollectionUpsert" in query:
            assert given["input"]["environmentId"] == "env-p"
            self.variables |= given["input"]["variables"]
            return 200, {"data": {"variableCollectionUpsert": True}}
        if "variableDelete" in query:
            self.variables.pop(given["input"]["name"])
            return 200, {"data": {"variableDelete": True}}
        if "serviceInstanceRedeploy" in query:
            return 200, {"errors": [{"message": "never deployed"}]}
        if "variables(" in query:
            return 200, {"data": {"variables": self.variables}}
        if "project(" in query:
            return 200, {"data": {"project": {"environments": environments} if given["project"] == "rp" else None}}
        if "projects" in query:
            return 200, {"data": {"projects": {"edges": self._of_railway(production)}}}
        return 200, {"data": {"me": {"id": "r-1", "name": self._one("Ada"), "email": "ada@example.org"}}}

    def _of_railway(self, production: dict[str, Any]) -> list[dict[str, Any]]:
        services = {"edges": [{"node": {"id": "svc", "name": self._one("web")}}]}
        made = []
        for at, name in enumerate(self._named("backend")):
            own = [{"node": {"id": "env-o", "name": name}}] if self.called else []
            about = {"environments": {"edges": [production, *own]}, "services": services}
            made.append({"node": {"id": _id("rp", at), "name": name, **about}})
        return made

    def seen(self) -> str:
        """Everything that was ever sent here, to be searched."""
        return json.dumps([[one.method, one.path, one.query, one.raw.decode()] for one in self.web.asked])


def _id(stem: str, at: int) -> str:
    return f"{stem}{at}" if at else stem


@contextmanager
def providers() -> Iterator[Providers]:
    """All three, until the block ends."""
    made: list[Providers] = []
    with serving(lambda asked: made[0].answer(asked)) as web:  # noqa: PLW0108 - none before it serves
        made.append(Providers(web))
        yield made[0]
