"""Where the contract is played: a company that pays, its vault, its people, and what some cases need beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import jwt
from keyway_backend.access.actor import Scope
from keyway_standalone.processes import Stack
from stack import sign_in

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, Header, bearer, send
from tests.standins.providers import OF_A_TEAM, TOKEN, Providers
from tests.standins.stripe import Stripe

SESSIONS: Final = 8
DEVELOPMENT: Final = {"SAME": "1", "DIFFERENT": "a", "ONLY_LEFT": "1", "LONG": "q7Zp-2vXk!9sLw4T"}
STAGING: Final = {"SAME": "1", "DIFFERENT": "b", "ONLY_RIGHT": "1"}
PRODUCTION: Final = {"LIVE": "1"}
# As it is without them, so that they change nothing.
LABELS: Final = {"displayName": "Labs", "defaultPermissions": {"read": {"development": {"read": True}}}}


@dataclass
class Market:
    """An installation with everything on: plans sold, providers configured, cookies of the parent domain."""

    stack: Stack
    stripe: Stripe
    there: Providers


@dataclass
class Scene:
    """`home` is the owner and the vault; `off` is the same on an installation with nothing switched on."""

    stack: Stack
    stripe: Stripe
    there: Providers
    home: Home
    off: Home
    member: str
    reader: str
    stranger: str
    member_login: str = ""
    reader_login: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    _turn: int = 0
    _made: dict[str, str] = field(default_factory=dict)

    # requests ----------------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """The public port."""
        return self.home.base

    @property
    def token(self) -> str:
        """A session of the owner, who may do everything. They take turns, so that none is over its share of a limit."""
        return next(self._sessions)

    @cached_property
    def _sessions(self) -> Iterator[str]:
        return itertools.cycle([self.session() for _ in range(SESSIONS)])

    @property
    def github(self) -> GitHub:
        """GitHub's side."""
        return GitHub(self.stack)

    @property
    def org(self) -> str:
        """The company's login."""
        return self.home.full_name.partition("/")[0]

    @property
    def vault(self) -> str:
        """The path of its vault."""
        return f"/v1/vaults/{self.home.full_name}"

    @property
    def back(self) -> str:
        """An address that a browser may come back to."""
        return f"{self.stack.dashboard_url}/upgrade"

    def call(self, method: str, path: str, body: Any = None, token: str | None = None, *more: Header) -> Call:
        """A request, of the owner unless somebody else is named."""
        return Call(method, path, (bearer(token or self.token), *more), body)

    def get(self, path: str, token: str | None = None) -> Call:
        """A GET."""
        return self.call("GET", path, None, token)

    def post(self, path: str, body: Any = None, token: str | None = None) -> Call:
        """A POST."""
        return self.call("POST", path, body, token)

    def at(self, tail: str) -> str:
        """A path below the vault."""
        return f"{self.vault}{tail}"

    def answer(self, method: str, path: str, body: Any = None, token: str | None = None) -> Answer:
        """What comes of a request that must succeed."""
        answer = send(self.base, self.call(method, path, body, token))
        assert answer.status < 400, (method, path, answer.status, answer.body)
        return answer

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """Its data."""
        answer = self.answer(method, path, body, token)
        return answer.json()["data"] if answer.body else None

    def name(self, stem: str) -> str:
        """One that was not used yet."""
        self._turn += 1
        return f"{stem}{self._turn}"

    def once(self, what: str, make: Callable[[], str]) -> str:
        """The id of something that is made when it is first wanted."""
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    # people ------------------------------------------------------------------------------------------------------

    @cached_property
    def key_for_keys(self) -> str:
        """The owner's key that may manage keys, and nothing else."""
        return keys.give(self.stack, self.token, {Scope.API_KEYS}).token

    @cached_property
    def key_to_read(self) -> str:
        """The owner's key that may read, and nothing else."""
        return keys.give(self.stack, self.token, {Scope.READ}).token

    def person(self, stem: str) -> tuple[str, str, int]:
        """Somebody new: login, session, number."""
        login = self.github.user(stem)
        users = self.stack.control.world()["users"].values()
        return login, sign_in(self.stack, login), next(int(one["id"]) for one in users if one["login"] == login)

    @cached_property
    def key_to_write(self) -> str:
        """The owner's key that may write, and nothing else."""
        return keys.give(self.stack, self.token, {Scope.WRITE}).token

    @cached_property
    def workflow(self) -> str:
        """The token of a workflow run, to read development."""
        body = {"token": self.run_token(), "environment": "development"}
        return str(self.ask("POST", "/v1/auth/oidc/github", body)["token"])

    def session(self) -> str:
        """One more session of the owner's, as a sign-in leaves it."""
        claims = jwt.decode(self.home.token, options={"verify_signature": False})
        number = str(uuid4())
        keys.sql(
            self.stack,
            "INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object('id', %s::text))).*"
            " FROM sessions s WHERE id = %s",
            number,
            claims["sid"],
        )
        return jwt.encode(claims | {"sid": number}, self.stack.instance.jwt_secret, algorithm="HS256")

    @cached_property
    def other(self) -> str:
        """A person with accounts at providers of their own."""
        return self.person("other")[1]

    @cached_property
    def payer(self) -> str:
        """A person who pays."""
        _, token, number = self.person("payer")
        self.pays({"keyway_user_id": str(number)}, "pro")
        return token

    @cached_property
    def reader_id(self) -> str:
        """The reader's account."""
        [(number,)] = keys.sql(self.stack, "SELECT id FROM users WHERE login = %s", self.reader_login)
        return str(number)

    # things ------------------------------------------------------------------------------------------------------

    def secret(self, key: str = "SAME", environment: str = "development") -> str:
        """The id of a secret."""
        found = self.ask("GET", self.at("/secrets?limit=500"))
        return str(next(one["id"] for one in found if (one["key"], one["environment"]) == (key, environment)))

    def new_secret(self, environment: str = "development") -> str:
        """The id of a secret that nobody else means."""
        body = {"key": self.name("NEW_"), "value": "1", "environment": environment}
        return str(self.ask("POST", self.at("/secrets"), body)["id"])

    def version(self) -> tuple[str, str]:
        """A secret that had another value: its id, and that of the version."""
        secret = self.new_secret()
        self.ask("PATCH", self.at(f"/secrets/{secret}"), {"value": "2"})
        return secret, str(self.ask("GET", self.at(f"/secrets/{secret}/versions"))["versions"][0]["id"])

    def trashed(self) -> str:
        """A secret in the trash."""
        secret = self.new_secret()
        self.ask("DELETE", self.at(f"/secrets/{secret}"))
        return secret

    def environment(self) -> str:
        """A new one, with nothing in it."""
        name = self.name("e-")
        self.ask("POST", self.at("/environments"), {"name": name})
        return name

    def repository(self, org: str = "", visibility: str = "public") -> str:
        """A repository without a vault, which the reader reads."""
        name = f"{org or self.org}/{self.name('repo')}"
        self.github.repo(name, {self.home.admin: "admin", self.reader_login: "read"}, visibility)
        return name

    def new_vault(self) -> str:
        """The path of a vault that nobody else means."""
        name = self.repository()
        stage.create_vault(self.stack, self.token, name)
        return f"/v1/vaults/{name}"

    def rule(self) -> dict[str, Any]:
        """A new rule with every field."""
        return dict(self.ask("POST", self.at("/oidc-rules"), self.rule_body()))

    def rule_body(self) -> dict[str, Any]:
        """A rule that nobody has; runs that no rule is meant for read development."""
        return {
            "environment": "staging", "events": ["push"], "refs": [f"refs/heads/{self.name('b')}"],
            "githubEnvironment": "live", "jobWorkflowRef": "o/r/.github/workflows/x.yml@refs/heads/main",
            "runnerEnvironment": "any",
        }  # fmt: skip

    def run_token(self, repo: str = "", **claims: Any) -> str:
        """GitHub's token of a workflow run."""
        told = {"aud": self.stack.api_url} | claims
        name = repo or self.home.full_name
        return str(self.github.do("oidc-token", repo=name, login=self.home.admin, claims=told)["token"])

    def pays(self, owner: dict[str, str], plan: str, **more: str) -> str:
        """Stripe says so; the id of the subscription."""
        bought = self.stripe.put(owner, plan, **more)
        answer = send(self.base, self.delivery(self.stripe.event("customer.subscription.updated", bought)))
        assert answer.status == 200, answer.body
        return str(bought["id"])

    def delivery(self, payload: bytes, signature: str | None = None) -> Call:
        """A delivery of Stripe's."""
        signed = (("Stripe-Signature", signature or self.stripe.sign(payload)),)
        return Call("POST", "/v1/billing/webhook", (("Content-Type", "application/json"), *signed), form=payload)

    def company(self, stem: str = "unpaid") -> str:
        """A new connected organisation of the owner's, with the member."""
        login, number = self.github.org(stem, self.home.admin)
        self.numbers[login] = number
        self.github.do("install", login=login)
        self.github.do("set-member", org=login, login=self.member_login, role="member")
        self.ask("POST", "/v1/orgs/connect", {"orgLogin": login})
        return login

    @cached_property
    def unpaid(self) -> str:
        """A connected organisation that never paid."""
        return self.company()

    def untried(self) -> str:
        """The same, which never had a trial."""
        login = self.unpaid
        keys.sql(
            self.stack,
            "DELETE FROM organization_trials WHERE github_org_id ="
            " (SELECT github_org_id FROM organizations WHERE login = %s)",
            login,
        )
        return login

    def trying(self) -> str:
        """The same, in its trial."""
        self.ask("POST", f"/v1/orgs/{self.untried()}/trial/start")
        return self.unpaid

    # providers ---------------------------------------------------------------------------------------------------

    def leaving(self, provider: str, token: str, query: str = "") -> tuple[str, Header]:
        """A browser on its way to a provider: the state, and the cookie that it keeps."""
        answer = self.answer("GET", f"/v1/integrations/{provider}/authorize{query}", token=token)
        state = parse_qs(urlsplit(answer.header("location")).query)["state"][0]
        return state, ("Cookie", answer.header("set-cookie").partition(";")[0])

    def returning(self, provider: str, token: str, query: str = "", code: str = "code=good&") -> Call:
        """The same browser, back."""
        state, cookie = self.leaving(provider, token, query)
        return Call("GET", f"/v1/integrations/{provider}/callback?{code}state={state}", (cookie,))

    def connected(self, provider: str, token: str) -> str:
        """The id of a connection, made now."""
        if provider == "railway":
            self.ask("POST", "/v1/integrations/railway/connect", {"token": TOKEN}, token)
        else:
            code = OF_A_TEAM if provider == "vercel" else "good"
            assert send(self.base, self.returning(provider, token, code=f"code={code}&")).status == 200
        found = self.ask("GET", "/v1/integrations/connections", token=token)["connections"]
        return str(next(one["id"] for one in found if one["provider"] == provider))

    @cached_property
    def railway(self) -> str:
        """The owner's account at Railway."""
        return self.connected("railway", self.token)

    @cached_property
    def vercel(self) -> str:
        """The owner's account at Vercel, of a team."""
        return self.connected("vercel", self.token)

    @cached_property
    def foreign(self) -> str:
        """Somebody else's account."""
        return self.connected("railway", self.other)


def set_up(market: Market, plain: Stack) -> Scene:
    """Everybody, and what they have."""
    github, home = GitHub(market.stack), Home(market.stack, "", 0, 0, "", "", "")
    home.admin = github.user("boss")
    org, home.owner_id = github.org("contract", home.admin)
    home.full_name, member, reader = f"{org}/app", github.user("member"), github.user("reader")
    home.repo_id = github.repo(home.full_name, {home.admin: "admin", reader: "read"})
    github.do("set-base-role", org=org, role="none")
    github.do("set-member", org=org, login=member, role="member")
    for login in (org, home.admin):
        github.do("install", login=login)
    home.token = sign_in(market.stack, home.admin)
    tokens = [sign_in(market.stack, login) for login in (member, reader, github.user("stranger"))]
    made = Scene(market.stack, market.stripe, market.there, home, stage.home(plain, "off"), *tokens)
    made.member_login, made.reader_login = member, reader
    _furnish(made)
    return made


def _furnish(scene: Scene) -> None:
    """A trial that became a subscription, a vault, and values in each environment."""
    scene.ask("POST", "/v1/orgs/connect", {"orgLogin": scene.org})
    scene.ask("POST", f"/v1/orgs/{scene.org}/trial/start")
    scene.pays({"keyway_org_id": str(scene.home.owner_id)}, "business")
    scene.ask("PUT", f"/v1/orgs/{scene.org}", LABELS)
    scene.home.vault_id = stage.create_vault(scene.stack, scene.token, scene.home.full_name)
    for name, values in {"development": DEVELOPMENT, "staging": STAGING, "production": PRODUCTION}.items():
        assert scene.home.push(values, name).status == 200
