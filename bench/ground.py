"""Where the requests of `bench routes` are sent: one person's vaults, with one of everything that a path can name."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import secrets
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import jwt

from bench.world import ENVIRONMENT, World, names
from tests.standins.providers import TOKEN, Providers
from tests.standins.stripe import KEY, SECRET, Stripe

VAULT: Final = "/v1/vaults/{owner}/{repo}"
RULE: Final = {"environment": "production", "events": ["push"], "refs": ["refs/heads/main"]}
_TLS: Final = ssl.create_default_context()
_ADDRESSES: Final = itertools.count(1)


def good(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal: a refused request is a cheap one."""
    if answer.is_error:
        asked = answer.request
        raise SystemExit(f"{asked.method} {asked.url.path} was answered with {answer.status_code}: {answer.text[:300]}")
    return answer


@dataclass(frozen=True, slots=True)
class Outside:
    """Services that are off by default, for the routes that need them."""

    stripe: Stripe
    providers: Providers

    def environment(self) -> dict[str, str]:
        """The backend's variables."""
        billing = {"BILLING_ENABLED": "true", "STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
        return billing | {"STRIPE_API_BASE": self.stripe.url} | self.providers.environment()


@dataclass(slots=True)
class Ground:
    """What the requests of one world name. Every request may take a number that none took before.

    `size` is how many secrets an environment has, `rows` how many there are of everything else that can be many.
    """

    world: World
    http: httpx.Client
    size: int
    rows: int
    outside: Outside | None = None
    named: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def path(self, template: str, **more: str) -> str:
        """A path with names of this world."""
        return template.format(**{**self.named, **more})

    @property
    def full_name(self) -> str:
        """The repository that paths name."""
        return self.world.places[0].full_name

    def ask(self, method: str, template: str, body: Any = None, **more: str) -> Any:
        """The data of an answer that has to be good."""
        answer = good(self.http.request(method, self.path(template, **more), json=body))
        return answer.json()["data"] if answer.content else None

    def push(self, values: Mapping[str, str], environment: str = ENVIRONMENT, **more: Any) -> None:
        """Values through the API."""
        body = {"repoFullName": self.full_name, "environment": environment, "mode": "merge", "secrets": dict(values)}
        good(self.http.post("/v1/secrets/push", json=body | more))

    def github(self, action: str, **arguments: Any) -> Any:
        """What happens on GitHub's side."""
        return self.world.stack.control.do(action, **arguments)

    def session(self, **changed: Any) -> str:
        """The person's session with other claims, signed."""
        claims = jwt.decode(self.world.token, self._secret, algorithms=["HS256"], options={"verify_aud": False})
        return jwt.encode(claims | changed, self._secret, algorithm="HS256")

    def again(self, number: int) -> dict[str, str]:
        """Another spelling of the session, for routes that admit few requests a minute of one credential."""
        claims = jwt.decode(self.world.token, self._secret, algorithms=["HS256"], options={"verify_aud": False})
        return {"Authorization": f"Bearer {self.session(exp=claims['exp'] - 1 - number)}"}

    def another_session(self) -> tuple[str, str]:
        """A further session of the person: its id and its token."""
        made = uuid4()
        with self.world.database() as connection:
            connection.execute(
                """INSERT INTO sessions (id, user_id, kind, created_at, expires_at)
                   SELECT %s, user_id, kind, created_at, expires_at FROM sessions WHERE id = %s""",
                (made, self.named["session"]),
            )
        return str(made), self.session(sid=str(made))

    @property
    def _secret(self) -> str:
        return self.world.stack.instance.jwt_secret


@dataclass(frozen=True, slots=True)
class Made:
    """One request: what stands for the names in its path, and what it carries."""

    names: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    content: bytes | None = None


Make = Callable[[Ground, int], Made]


@dataclass(frozen=True, slots=True)
class Route:
    """A route, and what to send it: `make` makes, outside of what is measured, what a request takes away.

    `of` names what `{id}` stands for; `apart`: few requests of one credential or address are admitted in a minute;
    `outside`: only where the services outside are.
    """

    method: str
    template: str
    make: Make | None = None
    query: str = ""
    of: str = ""
    apart: str = ""
    outside: bool = False

    @property
    def name(self) -> str:
        """As the API's documents spell it."""
        return f"{self.method} {self.template}"

    def prepared(self, ground: Ground, kept: ExitStack) -> Callable[[], httpx.Response]:
        """The next request, ready to be sent. `kept` closes what it is sent through."""
        number = next(ground.numbers)
        made = self.make(ground, number) if self.make is not None else Made()
        known = {"id": ground.named.get(self.of, "none"), **made.names}
        query = made.query or self.query.format(**{**ground.named, **made.names})
        target = ground.path(f"{self.template}?{query}" if query else self.template, **known)
        headers = dict(made.headers) | (ground.again(number) if self.apart == "credential" else {})
        http = kept.enter_context(_somewhere(ground)) if self.apart == "address" else ground.http
        request = http.build_request(self.method, target, json=made.body, content=made.content, headers=headers)
        return lambda: good(http.send(request))

    def send(self, ground: Ground) -> httpx.Response:
        """The next request, sent."""
        with ExitStack() as kept:
            return self.prepared(ground, kept)()


def _somewhere(ground: Ground) -> httpx.Client:
    """A client at an address of its own; all of 127/8 is this machine on Linux."""
    number = next(_ADDRESSES)
    transport = httpx.HTTPTransport(local_address=f"127.77.{number // 250 % 250}.{1 + number % 250}", verify=_TLS)
    return httpx.Client(base_url=ground.world.stack.api_url, transport=transport, timeout=60)


# one of everything ---------------------------------------------------------------------------------------------------


def survey(world: World, http: httpx.Client, *, size: int, rows: int, outside: Outside | None = None) -> Ground:
    """Names in a world: its first repository, and one of everything that has an id, among `rows` of its kind."""
    owner, repo = world.places[0].full_name.split("/")
    ground = Ground(world, http, size, rows, outside)
    claims = jwt.decode(world.token, options={"verify_signature": False})
    ground.named = {"owner": owner, "repo": repo, "org": world.organization, "username": world.login}
    ground.named |= {"name": ENVIRONMENT, "env": ENVIRONMENT, "revision": "1", "provider": "vercel"}
    ground.named |= {"session": claims["sid"], "userId": claims["sub"], "key": names(1)[0]}
    _live(ground)
    _many(ground)
    if outside is not None:
        ground.named["connection"] = connected(ground)
    return ground


def _live(ground: Ground) -> None:
    """A secret with versions, and something in the trash."""
    key, trashed = ground.named["key"], [f"TRASHED_{number}" for number in range(ground.rows)]
    for number in range(ground.rows):
        ground.push({key: f"another-value-{number}"})
    ground.push(dict.fromkeys(trashed, "value"))
    ground.push({}, delete=trashed)
    found = next(one for one in ground.ask("GET", f"{VAULT}/secrets") if one["key"] == key)
    ground.named["secretId"] = found["id"]
    ground.named["versionId"] = ground.ask("GET", f"{VAULT}/secrets/{{secretId}}/versions")["versions"][-1]["id"]
    good(ground.http.get(ground.path("/v1/secrets/pull?repo={owner}/{repo}&environment={name}")))


def _many(ground: Ground) -> None:
    """Rows of every other kind, and people on the repository."""
    for number in range(ground.rows):
        rule = RULE | {"refs": [f"refs/heads/release-{number}"]}
        ground.named["oidc-rules"] = ground.ask("POST", f"{VAULT}/oidc-rules", rule)["id"]
        ground.named["api-keys"] = ground.ask("POST", "/v1/api-keys", key_body(number))["id"]
        ground.another_session()
        login = f"{ground.world.login}-mate-{number}"
        ground.github("create-user", login=login)
        ground.github("set-role", repo=ground.full_name, login=login, role="write")
        ground.github("set-member", org=ground.world.organization, login=login, role="member")
        ground.ask("POST", f"{VAULT}/environments", {"name": f"more-{number}"})
        ground.named["overrides"] = ground.ask("POST", f"{VAULT}/permissions/overrides", override(f"more-{number}"))[
            "id"
        ]


def key_body(number: int) -> dict[str, Any]:
    """A new API key."""
    return {"name": f"bench {number}", "environment": "live", "scopes": ["read:secrets"]}


def override(environment: str) -> dict[str, Any]:
    """A rule for a role."""
    target = {"targetType": "role", "targetRole": "triage"}
    return {"environment": environment, "canRead": True, "canWrite": False, **target}


def outside_of(ground: Ground) -> Outside:
    """The services outside, where a route needs them."""
    if ground.outside is None:
        raise SystemExit("this route needs the services outside")
    return ground.outside


# signing in, and leaving for somewhere else --------------------------------------------------------------------------


def left(ground: Ground, path: str) -> tuple[str, str]:
    """A browser leaves for another site: where to, and the cookie that it has to bring back."""
    answer = good(ground.http.get(path, follow_redirects=False))
    return answer.headers["location"], answer.headers["set-cookie"].partition(";")[0]


def provider_callback(ground: Ground) -> Made:
    """It comes back from a provider."""
    location, cookie = left(ground, "/v1/integrations/vercel/authorize")
    state = parse_qs(urlsplit(location).query)["state"][0]
    return Made({"provider": "vercel"}, headers={"Cookie": cookie}, query=f"code=good&state={state}")


def connected(ground: Ground, provider: str = "railway") -> str:
    """The id of a connection to a provider."""
    if provider == "vercel":
        back = provider_callback(ground)
        good(ground.http.get(f"/v1/integrations/vercel/callback?{back.query}", headers=back.headers))
    else:
        good(ground.http.post(f"/v1/integrations/{provider}/connect", json={"token": TOKEN}))
    found = ground.ask("GET", "/v1/integrations/connections")["connections"]
    return str(next(one["id"] for one in found if one["provider"] == provider))


def github_callback(ground: Ground, start: str = "/v1/auth/github/start") -> Made:
    """A browser comes back from GitHub, where its person agreed."""
    location, cookie = left(ground, start)
    stack = ground.world.stack
    form = {"login": ground.world.login, "passphrase": stack.passphrase, "decision": "authorize"}
    agreed = httpx.post(location, data=form, follow_redirects=False, verify=_TLS, trust_env=False)
    return Made(headers={"Cookie": cookie}, query=urlsplit(agreed.headers["location"]).query)


def one_time_code(ground: Ground) -> Made:
    """The dashboard holds a code that is worth a session."""
    verifier = secrets.token_urlsafe(48)
    challenge = jwt.utils.base64url_encode(hashlib.sha256(verifier.encode()).digest()).decode()
    dashboard = ground.world.stack.dashboard_url
    asked = f"redirect_uri={dashboard}/in&code_challenge={challenge}&code_challenge_method=S256"
    made = github_callback(ground, f"/v1/auth/github/start?{asked}")
    back = good(ground.http.get(f"/v1/auth/callback?{made.query}", headers=made.headers)).headers["location"]
    code = parse_qs(urlsplit(back).query)["code"][0]
    return Made(body={"code": code, "codeVerifier": verifier, "redirectOrigin": dashboard})


# deliveries ----------------------------------------------------------------------------------------------------------


def github_delivery(ground: Ground) -> Made:
    """A signed delivery of GitHub's that names as many repositories as there are rows."""
    secret = ground.world.stack.backend.command().environment["GITHUB_APP_WEBHOOK_SECRET"]
    added = [{"id": 2**41 + one, "full_name": f"{ground.world.owner}/added-{one}"} for one in range(ground.rows)]
    account = {"id": 2**41, "login": ground.world.owner, "type": "Organization"}
    payload = {"action": "added", "installation": {"id": 2**41, "account": account}, "repositories_added": added}
    content = json.dumps(payload).encode()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "installation_repositories",
        "X-GitHub-Delivery": str(uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest(),
    }
    return Made(headers=headers, content=content)


def stripe_delivery(stripe: Stripe, owner: dict[str, str], plan: str) -> Made:
    """A signed delivery of Stripe's: this owner has this plan."""
    content = stripe.event("customer.subscription.updated", stripe.put(owner, plan))
    headers = {"Content-Type": "application/json", "Stripe-Signature": stripe.sign(content)}
    return Made(headers=headers, content=content)
