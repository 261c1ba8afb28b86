"""Vercel, Netlify and Railway for tests: the part of each that is asked, with state that tests look into."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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

    def _vercel(self, asked: Asked) -> tuple[int, Any]:
        if asked.path == "/v2/user":
            return 200, {"user": {"id": "v-1", "username": "ada", "email": "ada@example.org"}}
        if asked.path == "/v2/teams/team_1":
            return 200, {"id": "team_1", "name": "Team"}
        if asked.path == "/v9/projects":
            link = {"org": "acme", "repo": "app"}
            project = {"id": "prj", "name": "site", "framework": "nextjs", "link": link, "createdAt": 1700000000000}
            return 200, {"projects": [project], "pagination": {"next": None}}
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
            return 200, {"id": "n-1", "full_name": "Ada", "email": None}
        site = {"id": "site1", "name": "site", "account_id": "acc", "build_settings": {"repo_path": "acme/app"}}
        if asked.path == "/api/v1/sites":
            return 200, [site]
        if asked.path == "/api/v1/sites/site1":
            return 200, site
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
        environments = {"edges": [{"node": {"id": "env-p", "name": "production"}}]}
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
            services = {"edges": [{"node": {"id": "svc", "name": "web"}}]}
            node = {"id": "rp", "name": "backend", "environments": environments, "services": services}
            return 200, {"data": {"projects": {"edges": [{"node": node}]}}}
        return 200, {"data": {"me": {"id": "r-1", "name": "Ada", "email": "ada@example.org"}}}

    def seen(self) -> str:
        """Everything that was ever sent here, to be searched."""
        return json.dumps([[one.method, one.path, one.query, one.raw.decode()] for one in self.web.asked])


@contextmanager
def providers() -> Iterator[Providers]:
    """All three, until the block ends."""
    made: list[Providers] = []
    with serving(lambda asked: made[0].answer(asked)) as web:  # noqa: PLW0108 - none before it serves
        made.append(Providers(web))
        yield made[0]
