"""For each operation a request that succeeds: ids of what is there, made for it where it takes it away.

Generated requests alone end at the door, or at a name that nobody has. These lead them behind it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import jwt
from browser import NONCE, Browser, Pkce, consented, query
from keyway_backend.access import api_keys
from keyway_standalone.processes import Stack
from oracle import keys, stage, wire
from oracle.stage import GitHub, Home
from stack import running_stack, sign_in

from tests.backend.webhooks.github_post import Post
from tests.standins.providers import TOKEN, Providers, providers
from tests.standins.stripe import KEY, SECRET, Stripe, price_id, running_stripe

SESSIONS: Final = 60
VAULT: Final = "/v1/vaults/{owner}/{repo}"
SYNC: Final = "/v1/integrations/vaults/{owner}/{repo}/sync"


@dataclass
class Aim:
    """What makes a request meet something. `body` None: the generated one stays; `token`: not the usual session."""

    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    token: str | None = None


@dataclass
class World:
    """An installation with billing and providers, and its administrator, with so many sessions that no limit is met."""

    stack: Stack
    home: Home
    stripe: Stripe
    providers: Providers
    reader: str
    tokens: Iterator[str] = field(default_factory=lambda: iter(()))
    full_name: str = ""
    secret: str = ""
    version: str = ""
    unpaid: str = ""

    @property
    def org(self) -> str:
        """The organisation's login."""
        return self.home.full_name.partition("/")[0]

    @property
    def github(self) -> GitHub:
        """GitHub's side."""
        return GitHub(self.stack)

    @property
    def back(self) -> str:
        """An address that a browser may come back to."""
        return f"{self.stack.dashboard_url}/upgrade"

    def session(self) -> str:
        """One more session of the administrator, with a share of the limits of its own."""
        return keys.sessions_like(self.stack, self.home.token, 1)[0]

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """The data of a request that must succeed."""
        call = wire.Call(method, path, (wire.bearer(token or next(self.tokens)),), body)
        answer = wire.send(self.home.base, call)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json().get("data") if answer.body else None

    # what is there -----------------------------------------------------------------------------------------------

    def repository(self, visibility: str = "public") -> str:
        """A repository without a vault. A plan allows so many private ones."""
        name = f"{self.org}/fuzz-{token_hex(5)}"
        self.github.repo(name, {self.home.admin: "admin", self.reader: "read"}, visibility)
        return name

    def vault(self, visibility: str = "public") -> str:
        """A vault of nobody else's."""
        name = self.repository(visibility)
        stage.create_vault(self.stack, next(self.tokens), name)
        return name

    def renew(self) -> None:
        """A vault with a secret that has a version, in place of the one that may be spoilt by now."""
        if self.full_name:
            call = wire.Call("DELETE", self.at(""), (wire.bearer(next(self.tokens)),))
            wire.send(self.home.base, call)
        self.full_name = self.vault("private")
        self.secret = self.new_secret()
        self.version = self.version_of(self.secret)

    def at(self, path: str) -> str:
        """A path below the vault."""
        return f"/v1/vaults/{self.full_name}{path}"

    def new_secret(self) -> str:
        """A secret with a version. Its id."""
        body = {"key": f"K{token_hex(5)}", "value": "1", "environment": "development"}
        made = str(self.ask("POST", self.at("/secrets"), body)["id"])
        self.ask("PATCH", self.at(f"/secrets/{made}"), {"value": "a value that is long enough to guess badly: 7Qz!"})
        return made

    def version_of(self, secret: str) -> str:
        """The id of its first value."""
        return str(self.ask("GET", self.at(f"/secrets/{secret}/versions"))["versions"][0]["id"])

    def trashed(self) -> str:
        """A secret in the trash."""
        made = self.new_secret()
        self.ask("DELETE", self.at(f"/secrets/{made}"))
        return made

    def environment(self) -> str:
        """A further environment."""
        name = f"e{token_hex(5)}"
        self.ask("POST", self.at("/environments"), {"name": name})
        return name

    def rule(self) -> str:
        """A rule of a workflow."""
        body = {"environment": "development", "refs": [f"refs/heads/{token_hex(5)}"]}
        return str(self.ask("POST", self.at("/oidc-rules"), body)["id"])

    def override(self) -> str:
        """An override that takes nothing from the administrator."""
        name = self.environment()
        body = {"environment": name, "targetType": "role", "targetRole": "read", "canRead": True, "canWrite": False}
        return str(self.ask("POST", self.at("/permissions/overrides"), body)["id"])

    def api_key(self) -> str:
        """An API key's id."""
        body = {"name": "fuzz", "environment": "live", "scopes": ["read:secrets"]}
        return str(self.ask("POST", "/v1/api-keys", body)["id"])

    def connection(self) -> str:
        """A connection to a provider."""
        self.ask("POST", "/v1/integrations/railway/connect", {"token": TOKEN})
        found = self.ask("GET", "/v1/integrations/connections")["connections"]
        return str(next(one["id"] for one in found if one["provider"] == "railway"))

    def organization(self) -> str:
        """A connected organisation that never paid and has no trial. Always the same one: whoever is in a hundred of
        them waits for a hundred answers of GitHub's."""
        if not self.unpaid:
            self.unpaid, _ = self.github.org("unpaid", self.home.admin)
            self.github.do("install", login=self.unpaid)
            self.ask("POST", "/v1/orgs/connect", {"orgLogin": self.unpaid})
        keys.sql(self.stack, "DELETE FROM organization_trials")
        return self.unpaid

    def seen_by_reader(self) -> str:
        """The id of the reader, who has pulled what is there."""
        token = sign_in(self.stack, self.reader)
        assert stage.pull(self.stack, token, self.full_name, "development")
        [(number,)] = keys.sql(self.stack, "SELECT id FROM users WHERE login = %s", self.reader)
        return str(number)

    def back_from_github(self) -> Aim:
        """A browser that comes back from GitHub."""
        browser = Browser(self.stack)
        url = consented(self.stack, browser.start(), self.home.admin)
        return Aim(query=dict(parse_qsl(urlsplit(url).query)), headers={"Cookie": f"{NONCE}={browser.jar[NONCE]}"})

    def one_time_code(self) -> Aim:
        """A dashboard that may exchange its code for a session."""
        pkce = Pkce()
        target = f"{self.stack.dashboard_url}/welcome"
        answer = Browser(self.stack).sign_in(self.home.admin, redirect_uri=target, **pkce.params)
        code = query(answer.headers["location"])["code"]
        return Aim(body={"code": code, "codeVerifier": pkce.verifier, "redirectOrigin": self.stack.dashboard_url})

    def back_from_provider(self) -> Aim:
        """A browser that comes back from Vercel."""
        call = wire.Call("GET", f"/v1/integrations/vercel/authorize?token={next(self.tokens)}")
        answer = wire.send(self.home.base, call)
        state = query(answer.header("location"))["state"]
        cookie = answer.header("set-cookie").split(";")[0]
        return Aim({"provider": "vercel"}, {"state": state, "code": "good"}, headers={"Cookie": cookie})

    def workflow(self) -> Aim:
        """A run's token."""
        claims = {"aud": self.stack.api_url}
        made = self.github.do("oidc-token", repo=self.full_name, login=self.home.admin, claims=claims)
        return Aim(body={"token": made["token"], "environment": "development"})

    def signed(self, body: Any, event: str = "ping") -> Aim:
        """A delivery of GitHub's with this body."""
        raw = json.dumps(body).encode()
        post = Post(self.home.base, self.stack.instance.webhook_secret)
        told = {"x-github-event": event, "x-github-delivery": str(uuid4()), "x-hub-signature-256": post.signature(raw)}
        return Aim(body=raw, headers=told)

    def paid(self) -> Aim:
        """A delivery of Stripe's."""
        payload = self.stripe.event("customer.subscription.updated", self.stripe.put({"keyway_user_id": "1"}, "pro"))
        return Aim(body=payload, headers={"Stripe-Signature": self.stripe.sign(payload)})


@contextmanager
def world() -> Iterator[World]:
    """An installation with everything on, an organisation that pays, and a vault in it."""
    with running_stripe() as stripe, providers() as there:
        billing = {"BILLING_ENABLED": "true", "STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
        on = there.environment() | billing | {"STRIPE_API_BASE": stripe.url}
        with running_stack(backend_env=on) as stack:
            made = World(stack, _subscriber(stack, stripe), stripe, there, GitHub(stack).user("reader"))
            made.tokens = itertools.cycle(keys.sessions_like(stack, made.home.token, SESSIONS))
            made.renew()
            yield made


def _subscriber(stack: Stack, stripe: Stripe) -> Home:
    """An administrator whose organisation pays for the largest plan."""
    github = GitHub(stack)
    admin = github.user("admin")
    org, owner_id = github.org("fuzz", admin)
    github.do("install", login=org)
    token = sign_in(stack, admin)
    connected = wire.Call("POST", "/v1/orgs/connect", (wire.bearer(token),), {"orgLogin": org})
    assert wire.send(stack.api_url, connected).status == 200
    subscription = stripe.put({"keyway_org_id": str(owner_id)}, "business")
    paying = stripe.event("customer.subscription.updated", subscription)
    headers = (("Content-Type", "application/json"), ("Stripe-Signature", stripe.sign(paying)))
    assert wire.send(stack.api_url, wire.Call("POST", "/v1/billing/webhook", headers, form=paying)).status == 200
    return Home(stack, f"{org}/none", 0, owner_id, admin, token, "")


def aim(world: World, route: str) -> Aim:
    """A request that this operation takes. Everything in it is as fresh as it has to be."""
    found = _AIMS[route](world) if route in _AIMS else Aim()
    owner, repo = world.full_name.split("/")
    common = {
        "owner": owner, "repo": repo, "org": owner, "name": "development", "env": "development", "revision": "1",
        "secretId": world.secret, "versionId": world.version, "username": world.home.admin, "provider": "railway",
    }  # fmt: skip
    found.path = common | found.path
    return found


def _code(world: World) -> str:
    call = wire.Call("POST", "/v1/auth/device/start", (), {})
    return str(wire.send(world.home.base, call).json()["deviceCode"])


def _named(world: World) -> dict[str, str]:
    return {"repo": world.full_name, "environment": "development"}


def _of_vault(world: World, body: dict[str, Any]) -> Aim:
    return Aim(body={"repoFullName": world.full_name, "environment": "development"} | body)


def _in(full_name: str) -> dict[str, str]:
    owner, repo = full_name.split("/")
    return {"owner": owner, "repo": repo}


def _purged(world: World) -> Aim:
    secret = world.new_secret()
    return Aim({"secretId": secret, "versionId": world.version_of(secret)})


def _back(world: World) -> dict[str, str]:
    return {"returnUrl": world.back}


def _buying(world: World) -> dict[str, str]:
    return {"priceId": price_id("team"), "successUrl": world.back, "cancelUrl": world.back}


def _ticked(world: World, *, already: bool) -> Aim:
    path = {"userId": world.seen_by_reader(), "secretId": world.secret}
    if already:
        world.ask("PUT", world.at(f"/exposure/{path['userId']}/ticks/{path['secretId']}"))
    return Aim(path)


def _synced(world: World) -> dict[str, str]:
    world.providers.variables |= {"FROM_THERE": "1"}
    environments = {"keywayEnvironment": "development", "providerEnvironment": "production"}
    return {"connectionId": world.connection(), "projectId": "rp", "serviceId": "svc"} | environments


def _customer(world: World) -> Aim:
    body = _buying(world) | {"priceId": price_id("pro")}
    world.ask("POST", "/v1/billing/create-checkout-session", body)
    return Aim(body=_back(world))


_ROLES: Final = {"permissions": {"read": "read", "write": "write"}}
_AIMS: Final[dict[str, Callable[[World], Aim]]] = {
    "POST /v1/secrets/push": lambda w: _of_vault(w, {"secrets": {"PUSHED": token_hex(4)}}),
    "GET /v1/secrets/pull": lambda w: Aim(query=_named(w)),
    "GET /v1/secrets/view": lambda w: Aim(query=_named(w) | {"key": _key(w)}),
    "POST /v1/auth/device/poll": lambda w: Aim(body={"deviceCode": _code(w)}),
    "POST /v1/auth/logout": lambda w: Aim(token=w.session()),
    "DELETE /v1/auth/sessions": lambda w: Aim(token=_of_somebody(w)),
    "DELETE /v1/auth/sessions/{id}": lambda w: Aim({"id": _session_id(w.session())}),
    "GET /v1/api-keys/{id}": lambda w: Aim({"id": w.api_key()}),
    "DELETE /v1/api-keys/{id}": lambda w: Aim({"id": w.api_key()}),
    "POST /v1/api-keys": lambda _: Aim(body={"name": "fuzz", "environment": "test", "scopes": ["read:secrets"]}),
    "POST /v1/api-keys/leak-reports": lambda _: Aim(body={"token": api_keys.mint("live").reveal()}),
    "GET /v1/auth/callback": World.back_from_github,
    "GET /v1/auth/github/start": lambda w: Aim(query={"redirect_uri": w.back}),
    "POST /v1/auth/session/exchange": World.one_time_code,
    "POST /v1/vaults": lambda w: Aim(body={"repoFullName": w.repository()}),
    f"DELETE {VAULT}": lambda w: Aim(_in(w.vault())),
    f"POST {VAULT}/environments": lambda _: Aim(body={"name": f"e{token_hex(5)}"}),
    f"DELETE {VAULT}/environments/{{name}}": lambda w: Aim({"name": w.environment()}),
    f"PATCH {VAULT}/environments/{{name}}": lambda w: Aim(
        {"name": w.environment()}, body={"newName": f"e{token_hex(5)}"}
    ),
    f"PATCH {VAULT}/environments/{{name}}/type": lambda w: Aim({"name": w.environment()}, body={"type": "standard"}),
    f"POST {VAULT}/secrets": lambda _: Aim(
        body={"key": f"K{token_hex(5)}", "value": "1", "environment": "development"}
    ),
    f"PATCH {VAULT}/secrets/{{secretId}}": lambda w: Aim({"secretId": w.new_secret()}, body={"value": "3"}),
    f"DELETE {VAULT}/secrets/{{secretId}}": lambda w: Aim({"secretId": w.new_secret()}),
    f"DELETE {VAULT}/secrets/{{secretId}}/versions/{{versionId}}": _purged,
    f"POST {VAULT}/trash/{{secretId}}/restore": lambda w: Aim({"secretId": w.trashed()}),
    f"DELETE {VAULT}/trash/{{secretId}}": lambda w: Aim({"secretId": w.trashed()}),
    f"POST {VAULT}/environments/{{name}}/copy": lambda _: Aim(body={"target": "staging"}),
    f"POST {VAULT}/secrets/{{secretId}}/copy": lambda _: Aim(body={"target": "staging", "key": f"K{token_hex(5)}"}),
    f"GET {VAULT}/compare": lambda _: Aim(query={"left": "development", "right": "staging"}),
    f"POST {VAULT}/environments/{{name}}/import/preview": lambda _: Aim(body={"text": "A=1\n"}),
    "POST /v1/github/check-installation": lambda w: Aim(
        body=dict(zip(("repoOwner", "repoName"), w.full_name.split("/"), strict=True))
    ),
    "GET /v1/github/repo-ids": lambda w: Aim(query={"repo": w.full_name}),
    "POST /v1/github/webhook": lambda w: w.signed({"zen": "Keep it logically awesome."}),
    f"PUT {VAULT}/exposure/{{userId}}/ticks/{{secretId}}": lambda w: _ticked(w, already=False),
    f"DELETE {VAULT}/exposure/{{userId}}/ticks/{{secretId}}": lambda w: _ticked(w, already=True),
    f"POST {VAULT}/permissions/overrides": lambda w: Aim(
        body={
            "environment": w.environment(), "targetType": "role", "targetRole": "write", "canRead": True,
            "canWrite": False,
        }
    ),
    f"PUT {VAULT}/permissions/overrides/{{id}}": lambda w: Aim({"id": w.override()}, body={"canRead": False}),
    f"DELETE {VAULT}/permissions/overrides/{{id}}": lambda w: Aim({"id": w.override()}),
    f"PUT {VAULT}/permissions/{{env}}": lambda w: Aim({"env": w.environment()}, body=_ROLES),
    "POST /v1/orgs/connect": lambda w: Aim(body={"orgLogin": w.org}),
    "PUT /v1/orgs/{org}": lambda _: Aim(body={"displayName": token_hex(4)}),
    "POST /v1/billing/create-checkout-session": lambda w: Aim(body=_buying(w) | {"priceId": price_id("pro")}),
    "POST /v1/billing/manage": _customer,
    "POST /v1/billing/webhook": World.paid,
    "POST /v1/orgs/{org}/billing/checkout": lambda w: Aim({"org": w.organization()}, body=_buying(w)),
    "POST /v1/orgs/{org}/billing/portal": lambda w: Aim(body=_back(w)),
    "POST /v1/orgs/{org}/trial/start": lambda w: Aim({"org": w.organization()}),
    "POST /v1/auth/oidc/github": World.workflow,
    f"POST {VAULT}/oidc-rules": lambda _: Aim(
        body={"environment": "development", "refs": [f"refs/heads/{token_hex(5)}"]}
    ),
    f"GET {VAULT}/oidc-rules/{{id}}": lambda w: Aim({"id": w.rule()}),
    f"PUT {VAULT}/oidc-rules/{{id}}": lambda w: Aim(
        {"id": w.rule()}, body={"environment": "development", "refs": [f"refs/heads/{token_hex(5)}"]}
    ),
    f"DELETE {VAULT}/oidc-rules/{{id}}": lambda w: Aim({"id": w.rule()}),
    "DELETE /v1/integrations/connections/{id}": lambda w: Aim({"id": w.connection()}),
    "GET /v1/integrations/connections/{id}/projects": lambda w: Aim({"id": w.connection()}),
    "POST /v1/integrations/{provider}/connect": lambda _: Aim(body={"token": TOKEN}),
    "GET /v1/integrations/{provider}/authorize": lambda _: Aim({"provider": "vercel"}),
    "GET /v1/integrations/{provider}/callback": World.back_from_provider,
    f"GET {SYNC}/status": lambda w: Aim(query=_synced(w)),
    f"GET {SYNC}/diff": lambda w: Aim(query=_synced(w)),
    f"GET {SYNC}/preview": lambda w: Aim(query=_synced(w)),
    f"POST {SYNC}/link": lambda w: Aim(body=_synced(w)),
    f"POST {SYNC}": lambda w: Aim(body=_synced(w) | {"direction": "pull"}),
}  # fmt: skip


def _key(world: World) -> str:
    return str(world.ask("GET", world.at("/secrets"))[0]["key"])


def _of_somebody(world: World) -> str:
    """A session of a person whose others may end."""
    return sign_in(world.stack, world.reader)


def _session_id(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sid"])
