"""Three organisations with twelve vaults, four hundred secrets and a month of events: what pictures show.

People, vaults, secrets, keys and a first few hundred reads are real calls of the API, many at once. The month is made
of these: each is told again at other times, and what was written is moved into the past, by a few statements.
"""

from __future__ import annotations

import itertools
import secrets
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from zlib import crc32

import psycopg
from keyway_standalone.processes import Stack
from oracle.stage import GitHub, Home, create_vault
from oracle.wire import Call, bearer, send
from stack import sign_in
from worlds import World, furnish, linked

ORGANISATIONS: Final = {
    "northwind": ("storefront", "payments-api", "warehouse-sync", "mobile-app"),
    "lumen-labs": ("platform", "ml-pipeline", "docs-site", "edge-workers"),
    "harbor-health": ("patient-portal", "billing", "imaging-gateway", "infrastructure-as-code"),
}
FULL: Final = "northwind/payments-api"
KEYS: Final = (
    "DATABASE_URL", "REDIS_URL", "STRIPE_SECRET_KEY", "SENTRY_DSN", "SESSION_SECRET", "SMTP_USER", "S3_BUCKET",
    "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "JWT_SIGNING_KEY", "FEATURE_FLAGS_TOKEN",
)  # fmt: skip
ENVIRONMENTS: Final = ("development", "staging", "production")
SECRETS: Final = 400
EVENTS: Final = 5_000
ADMIN: Final = "mara"
TEAM: Final = {"tomas": "maintain", "aiko": "write", "priya": "write", "jonas": "write", "nadia": "read"}
NEWCOMER: Final = "sam"
AGENTS: Final = ("keyway-cli/2.4.1 linux", "keyway-cli/2.4.1 darwin", "keyway-mcp/1.2.0")
_AT_ONCE: Final = 8
T = TypeVar("T")
S = TypeVar("S")

# Told again on an earlier day, mostly in working hours and seldom on a weekend, from one of the person's addresses.
_MONTH: Final = """
    INSERT INTO audit_events (
        id, at, action, actor_user_id, actor_github_user_id, actor_login, credential_kind, credential_id, platform,
        source, ip, user_agent, device_id, request_id, vault_id, repository, environment_id, environment, revision,
        keys, details)
    SELECT gen_random_uuid(), least(told.at, now() - interval '2 minutes'), e.action, e.actor_user_id,
        e.actor_github_user_id, e.actor_login, e.credential_kind, e.credential_id, e.platform, e.source, e.ip,
        e.user_agent, e.device_id, e.request_id, e.vault_id, e.repository, e.environment_id, e.environment, e.revision,
        e.keys, e.details
    FROM audit_events AS e
    CROSS JOIN generate_series(1, 100) AS again
    CROSS JOIN LATERAL (
        SELECT date_trunc('day', now()) - floor(random() * 30 + 0 * again)::int * interval '1 day'
            + interval '7 hours' + (random() + random()) * interval '5.5 hours' AS at) AS told
    WHERE e.action IN ('secrets_pulled', 'secret_value_accessed')
        AND (extract(isodow FROM told.at) < 6 OR random() < 0.2)
    ORDER BY random() LIMIT %s
"""
# Revisions of an environment lie days apart; their values, their events and their vaults are as old as they are.
_PAST: Final = (
    """UPDATE revisions AS r SET created_at = now()
        - (e.head_revision - r.number + abs(hashtext(r.environment_id::text)) % 100 / 60.0) * interval '67 hours'
        FROM environments AS e WHERE e.id = r.environment_id""",
    """UPDATE secret_values AS v SET created_at = r.created_at FROM revisions AS r
        WHERE r.environment_id = v.environment_id AND r.number = v.from_revision""",
    """UPDATE audit_events AS a SET at = r.created_at FROM revisions AS r
        WHERE a.environment_id = r.environment_id AND a.revision = r.number AND a.action = 'secrets_pushed'""",
    """UPDATE vaults AS v SET created_at = now() - interval '61 days', updated_at = r.last FROM (
        SELECT e.vault_id, max(r.created_at) AS last
        FROM revisions AS r JOIN environments AS e ON e.id = r.environment_id
        GROUP BY e.vault_id) AS r WHERE r.vault_id = v.id""",
    """UPDATE audit_events SET ip = CASE WHEN source = 'ci' THEN '192.0.2.' ELSE '198.51.100.' END
        || 10 + abs(hashtext(coalesce(actor_login, '') || device_id)) % 40""",
)


class Seeding:
    """Makes the world, and says how far it is."""

    def __init__(self, stack: Stack, events: int) -> None:
        self.stack, self.events = stack, events
        self._github, self._started = GitHub(stack), time.monotonic()
        self._tokens: dict[str, str] = {}
        self._names = [f"{owner}/{name}" for owner, names in ORGANISATIONS.items() for name in names]

    def make(self) -> World:
        """All of it."""
        self._accounts()
        self._tokens = dict(self._each(lambda login: (login, sign_in(self.stack, login)), [ADMIN, *TEAM]))
        self._say(f"{len(self._tokens)} people")
        ids = dict(self._each(lambda name: (name, self._vault(name)), self._names))
        bare = "northwind/brand-new"
        self._vault(bare)
        self._say(f"{len(ids)} vaults")
        full = self._home(ids[FULL])
        self._say(f"{self._secrets()} secrets")
        furnish(full)
        linked(full)
        reads = self._reads()
        self._say(f"{reads} reads over the API")
        self._month()
        self._say(f"{self.events} events in a month")
        people = {"admin": ADMIN, "write": "aiko", "read": "nadia", "newcomer": NEWCOMER}
        return World(full, bare, people)

    def _say(self, what: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._started:6.1f} s  {what}\n")

    def _each(self, work: Callable[[S], T], items: Iterable[S]) -> list[T]:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(work, items))

    def _accounts(self) -> None:
        for login in (ADMIN, *TEAM, NEWCOMER):
            self._github.do("create-user", login=login)
        for owner in ORGANISATIONS:
            self._github.do("create-org", login=owner, admin=ADMIN)
            for login in TEAM:
                self._github.do("set-member", org=owner, login=login, role="member")
            self._github.do("install", login=owner)
        for name in [*self._names, "northwind/brand-new", *(f"{owner}/not-yet" for owner in ORGANISATIONS)]:
            visibility = "public" if name.endswith("docs-site") else "private"
            self._github.repo(name, {ADMIN: "admin", **TEAM}, visibility)

    def _vault(self, name: str) -> str:
        return create_vault(self.stack, self._tokens[ADMIN], name)

    def _home(self, vault_id: str) -> Home:
        world = self.stack.control.world()
        repo = next(one for one in world["repos"].values() if one["name"] == FULL.partition("/")[2])
        return Home(self.stack, FULL, repo["id"], repo["owner_id"], ADMIN, self._tokens[ADMIN], vault_id)

    def _secrets(self) -> int:
        """Each environment gets its share of keys, a third of them equal in all; then people change some."""
        places, left = list(itertools.product(self._names, ENVIRONMENTS)), SECRETS
        first: list[tuple[str, str, str, dict[str, str]]] = []
        for number, (name, environment) in enumerate(places):
            share = min(len(KEYS), left // (len(places) - number))
            values = {key: f"{name}-{key}" if at % 3 == 0 else secrets.token_hex(12) for at, key in enumerate(KEYS)}
            first.append((ADMIN, name, environment, dict(itertools.islice(values.items(), share))))
            left -= share
        self._each(lambda one: self._push(*one), first)
        writers = itertools.cycle(("tomas", "aiko", "priya", "jonas"))
        for turn in range(3):
            some = places[turn::2]
            changes = [
                (next(writers) if environment != "production" else "tomas", name, environment,
                 {KEYS[(turn * 5 + at) % 9]: secrets.token_hex(12)})
                for at, (name, environment) in enumerate(some)
            ]  # fmt: skip
            self._each(lambda one: self._push(*one), changes)
        return SECRETS - left

    def _push(self, login: str, name: str, environment: str, values: dict[str, str]) -> None:
        body = {"repoFullName": name, "environment": environment, "mode": "merge", "secrets": values}
        answer = self._call("POST", "/v1/secrets/push", self._tokens[login], body, AGENTS[0])
        assert answer.status in {200, 403}, answer.body

    def _reads(self) -> int:
        """Everybody reads what they may, by several programs; a key and a workflow read too."""
        people = [(login, token) for login, token in self._tokens.items()]
        asked = [
            (token, name, environment, AGENTS[(at + len(login)) % len(AGENTS)])
            for at, (name, environment) in enumerate(itertools.product(self._names, ENVIRONMENTS[:2]))
            for login, token in people
            if (at + len(login)) % 3
        ]
        key = self._key()
        asked += [(key, name, "production", "keyway-action/1.0") for name in self._names]
        answers = self._each(lambda one: self._pull(*one), asked)
        return sum(status == 200 for status in answers)

    def _pull(self, token: str, name: str, environment: str, agent: str) -> int:
        path = f"/v1/secrets/pull?repo={name}&environment={environment}"
        return int(self._call("GET", path, token, None, agent).status)

    def _key(self) -> str:
        body = {"name": "deploy pipeline", "environment": "live", "scopes": ["read:secrets"]}
        return str(self._call("POST", "/v1/api-keys", self._tokens[ADMIN], body, AGENTS[0]).json()["data"]["token"])

    def _call(self, method: str, path: str, token: str, body: Any, agent: str) -> Any:
        call = Call(method, path, (bearer(token), ("User-Agent", agent)), body)
        # Each person sits at one address, so that what is new to the alerts is new.
        return send(self.stack.api_url, call, timeout=60, source=f"127.50.0.{crc32(token.encode()) % 200 + 10}")

    def _month(self) -> None:
        with psycopg.connect(self.stack.superuser_database_url) as connection:
            known = connection.execute("SELECT count(*) FROM audit_events").fetchone()
            assert known is not None
            for statement in _PAST:
                connection.execute(statement)
            connection.execute(_MONTH, (max(0, self.events - known[0]),))


def seeded(stack: Stack, events: int = EVENTS) -> World:
    """The world, made now."""
    return Seeding(stack, events).make()
