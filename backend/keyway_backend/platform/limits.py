"""Rate limits (policy.yaml `limits.rate`): windows of one minute, counted by credential or by client address.

Counters are in memory, or in Redis or Valkey when REDIS_URL is set, so that replicas count together. When that server
is away, each replica counts for itself and says so: a limiter that fails must neither refuse everybody nor admit all.

A window begins with its first request. What a request would have to be refused for is decided before its credential
is looked at; only refused credentials are counted afterwards (`refused`), so that whoever holds a good one is not
locked out by a neighbour who guesses.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any, Final, Protocol

from prometheus_client import Counter, Gauge
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from keyway_backend.platform import cookies, log
from keyway_backend.platform.address import Network, client_address
from keyway_backend.platform.errors import Problem, TooManyRequests, Unauthorized
from keyway_backend.platform.hop import browser_of

WINDOW_SECONDS: Final = 60
SCOPE_KEY: Final = "keyway.rate"
PER_CREDENTIAL: Final = 600
PER_ADDRESS: Final = 300

_REMEMBERED: Final = 50_000
_SHARED_SECONDS: Final = 0.25
_AWAY_SECONDS: Final = 5.0
_IPV6_NETWORK: Final = 64
_ANSWERS_BROWSERS: Final = "/v1/integrations/{provider}/authorize"

REFUSED: Final = Counter("keyway_rate_limit_rejections_total", "Requests over a rate limit", ["limiter"])
SHARED: Final = Gauge("keyway_rate_limit_shared", "Whether counters are shared through REDIS_URL right now")

_log = log.logger("limits")


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests a minute, of one credential, one address, one person, or all together."""

    name: str
    amount: int


DEVICE_START: Final = Limit("device_start", 10)
DEVICE_START_ALL: Final = Limit("device_start_all", 300)
DEVICE_VERIFY: Final = Limit("device_verify", 5)
DEVICE_POLL: Final = Limit("device_poll", 600)
OIDC_EXCHANGE: Final = Limit("oidc_exchange", 60)
SESSION_EXCHANGE: Final = Limit("session_exchange", 30)
LEAK_REPORT: Final = Limit("leak_report", 10)
VALUES: Final = Limit("values", 10)
DIGESTS: Final = Limit("digests_and_compare", 30)
CHECK_INSTALLATION: Final = Limit("check_installation", 60)
FAILED: Final = Limit("failed_credentials", 10)
GITHUB_TOKENS: Final = Limit("github_tokens", FAILED.amount)

_VAULT: Final = "/v1/vaults/{owner}/{repo}"
_BY_ADDRESS: Final[dict[tuple[str, str], tuple[Limit, ...]]] = {
    ("POST", "/v1/auth/device/start"): (DEVICE_START,),
    ("GET", "/v1/auth/device/verify"): (DEVICE_VERIFY,),
    ("POST", "/v1/auth/device/verify"): (DEVICE_VERIFY,),
    ("POST", "/v1/auth/oidc/github"): (OIDC_EXCHANGE,),
    ("POST", "/v1/auth/session/exchange"): (SESSION_EXCHANGE,),
    ("POST", "/v1/api-keys/leak-reports"): (LEAK_REPORT,),
}
_BY_CREDENTIAL: Final[dict[tuple[str, str], Limit]] = {
    ("GET", f"{_VAULT}/secrets/{{secretId}}/value"): VALUES,
    ("GET", f"{_VAULT}/secrets/{{secretId}}/versions/{{versionId}}/value"): VALUES,
    ("GET", f"{_VAULT}/compare"): DIGESTS,
    ("POST", f"{_VAULT}/environments/{{name}}/digests"): DIGESTS,
}
_ALL_TOGETHER: Final = {("POST", "/v1/auth/device/start"): DEVICE_START_ALL}
_POLL: Final = ("POST", "/v1/auth/device/poll")
_EXEMPT: Final = {
    ("GET", "/health"),
    ("GET", "/v1/health"),
    ("HEAD", "/v1/health"),
    ("POST", "/v1/github/webhook"),
    ("POST", "/v1/billing/webhook"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Where a counter stands: what the headers of an answer tell."""

    limit: Limit
    count: int
    reset_seconds: int

    @property
    def over(self) -> bool:
        """Whether this request was one too many."""
        return self.count > self.limit.amount

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit-Limit, -Remaining and -Reset, as draft-ietf-httpapi-ratelimit-headers names them."""
        return {
            "RateLimit-Limit": str(self.limit.amount),
            "RateLimit-Remaining": str(max(0, self.limit.amount - self.count)),
            "RateLimit-Reset": str(self.reset_seconds),
        }


class Counters(Protocol):
    """What counters are kept in; a storage of the `limits` library is one."""

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Counts one more, and begins a window of `expiry` seconds if there is none."""

    async def get_expiry(self, key: str) -> float:
        """When the window ends, as time.time()."""


class Memory:
    """Counters of this process, at most 50,000. The library's own store scans all of them at every request, and grows
    with every address that a flood invents; here the ones that were not used for longest make room."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._windows: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Counts one more."""
        now = time.time()
        count, until = self._windows.get(key, (0, 0.0))
        if until <= now:
            count, until = 0, now + expiry
        self._windows[key] = (count + amount, until)
        self._windows.move_to_end(key)
        if len(self._windows) > self._most:
            self._windows.popitem(last=False)
        return count + amount

    async def get_expiry(self, key: str) -> float:
        """When the window ends."""
        return self._windows.get(key, (0, time.time()))[1]


class Shared:
    """Counters that replicas share, with `Memory` in their place while the server is away.

    Whether it is back is asked beside the requests: none of them waits for a server that did not answer the last one.
    """

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage  # noqa: PLC0415 - only where REDIS_URL is set
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415

        address = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        patience: dict[str, Any] = {
            "socket_timeout": _SHARED_SECONDS,
            "socket_connect_timeout": _SHARED_SECONDS,
            "retry": Retry(NoBackoff(), 0),
        }
        self._storage: Any = RedisStorage(
            f"async+{address}", wrap_exceptions=True, implementation="redispy", key_prefix="keyway:rate", **patience
        )
        self._memory = Memory()
        self._ends: OrderedDict[str, float] = OrderedDict()
        self._looking: asyncio.Task[None] | None = None
        SHARED.set(1)

    async def open(self) -> None:
        """Looks whether the server is there, so that not the first request has to find out."""
        if not await self._storage.check():
            self._leave(ConnectionError())

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Counts one more, here when it cannot be counted there."""
        from limits.errors import StorageError  # noqa: PLC0415 - see __init__

        if self._looking is None:
            try:
                count: int = await self._storage.incr(key, expiry, amount)
                await self._note_end(key, expiry, count, amount)
            except (StorageError, OSError) as error:
                self._leave(error)
            else:
                return count
        return await self._memory.incr(key, expiry, amount)

    @property
    def away(self) -> bool:
        """Whether this replica counts alone."""
        return self._looking is not None

    async def get_expiry(self, key: str) -> float:
        """When the window ends, as far as this replica has heard."""
        return self._ends.get(key) or await self._memory.get_expiry(key)

    async def close(self) -> None:
        """Ends the connections."""
        if self._looking is not None:
            self._looking.cancel()
        await self._storage.bridge.get_connection().aclose()

    async def _note_end(self, key: str, expiry: int, count: int, amount: int) -> None:
        """The end of a window is asked for once: a window that this replica began needs no question at all."""
        now = time.time()
        if count == amount:
            self._ends[key] = now + expiry
        elif self._ends.get(key, 0.0) <= now:
            self._ends[key] = await self._storage.get_expiry(key)
        self._ends.move_to_end(key)
        if len(self._ends) > _REMEMBERED:
            self._ends.popitem(last=False)

    def _leave(self, error: Exception) -> None:
        if self._looking is None:
            _log.warning("shared_counters_away", error=type(error).__name__, instead="counted per replica")
            self._looking = asyncio.create_task(self._look(), name="shared-counters")
            SHARED.set(0)

    async def _look(self) -> None:
        """Until the server answers again."""
        while True:
            await asyncio.sleep(_AWAY_SECONDS)
            if await self._storage.check():
                break
        self._looking = None
        _log.warning("shared_counters_back")
        SHARED.set(1)


class Limits:
    """Counts requests and refuses those over a limit."""

    def __init__(
        self,
        counters: Counters,
        *,
        trusted_proxies: Sequence[Network] = (),
        session_cookie: str = cookies.HOST_SESSION,
        per_credential: int = PER_CREDENTIAL,
        per_address: int = PER_ADDRESS,
    ) -> None:
        self._counters = counters
        self._trusted = trusted_proxies
        self._session_cookie = session_cookie
        self._per_credential = Limit("credential", per_credential)
        self._per_address = Limit("address", per_address)

    async def admit(self, scope: Scope, plan: Plan) -> None:
        """Counts a request; what its answer tells of it lies in the scope. Raises TooManyRequests."""
        for limit, who in self._asked(HTTPConnection(scope), plan):
            await self._count(scope, limit, who)

    async def person(self, scope: Scope, limit: Limit, github_user_id: int) -> None:
        """Counts a request of a person whose credential is proven. Raises TooManyRequests."""
        await self._count(scope, limit, str(github_user_id))

    async def question(self, scope: Scope) -> None:
        """Counts a string that GitHub is about to be asked about, as if it were refused: whoever invents such strings
        must not spend our share of GitHub's patience. Raises TooManyRequests."""
        await self._count(scope, GITHUB_TOKENS, self._address(HTTPConnection(scope)))

    async def good(self, scope: Scope) -> None:
        """GitHub knew the token of a `question`: it does not count."""
        key = f"{GITHUB_TOKENS.name}/{self._address(HTTPConnection(scope))}"
        await self._counters.incr(key, WINDOW_SECONDS, -1)

    async def refused(self, scope: Scope, refusal: Unauthorized) -> Problem:
        """What a refused credential is answered with: the refusal, or from the eleventh of an address on, 429."""
        connection = HTTPConnection(scope)
        if self._credential(connection, scope.get("route")) is None:
            return refusal
        try:
            await self._count(scope, FAILED, self._address(connection))
        except TooManyRequests as over:
            return over
        return refusal

    def _asked(self, connection: HTTPConnection, plan: Plan) -> list[tuple[Limit, str]]:
        """What a request is counted against, the widest first, so that the headers tell of the narrowest."""
        if plan.poll:
            return [(DEVICE_POLL, self._address(connection))]
        credential = None if plan.public else self._credential(connection, plan)
        if credential is not None:
            narrow = [(plan.by_credential, credential)] if plan.by_credential else []
            return [(self._per_credential, credential), *narrow]
        address = self._address(connection)
        together = [(limit, "instance") for limit in plan.all_together]
        return [(self._per_address, address), *together, *((limit, address) for limit in plan.by_address)]

    async def _count(self, scope: Scope, limit: Limit, who: str) -> None:
        key = f"{limit.name}/{who}"
        count = await self._counters.incr(key, WINDOW_SECONDS)
        left = await self._counters.get_expiry(key) - time.time()
        window = Window(limit, count, min(WINDOW_SECONDS, max(1, math.ceil(left))))
        if limit not in {FAILED, GITHUB_TOKENS} or window.over:
            scope[SCOPE_KEY] = window
        if window.over:
            REFUSED.labels(limit.name).inc()
            raise TooManyRequests(window.reset_seconds, headers=window.headers)

    def _credential(self, connection: HTTPConnection, route: Any) -> str | None:
        return credential_of(connection, route, self._session_cookie)

    def _address(self, connection: HTTPConnection) -> str:
        return sender_of(connection, self._trusted)


def limits_of(connection: HTTPConnection) -> Limits | None:
    """What counts the requests of this application, if anything does."""
    found: Limits | None = getattr(connection.app.state, "limits", None)
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What requests of a route are counted against."""

    path: str
    public: bool = False
    poll: bool = False
    by_credential: Limit | None = None
    by_address: tuple[Limit, ...] = ()
    all_together: tuple[Limit, ...] = ()


def plan_of(methods: Sequence[str], path: str, *, public: bool) -> Plan | None:
    """The plan of a route; None for those that are never limited."""
    keys = [(method, path) for method in methods]
    if any(key in _EXEMPT for key in keys):
        return None
    return Plan(
        path,
        public=public,
        poll=_POLL in keys,
        by_credential=next((_BY_CREDENTIAL[key] for key in keys if key in _BY_CREDENTIAL), None),
        by_address=tuple(limit for key in keys for limit in _BY_ADDRESS.get(key, ())),
        all_together=tuple(_ALL_TOGETHER[key] for key in keys if key in _ALL_TOGETHER),
    )


def limited(app: ASGIApp, plan: Plan) -> ASGIApp:
    """A route's application that counts each request first. Without `app.state.limits` nothing is counted."""

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        limits: Limits | None = getattr(scope["app"].state, "limits", None)
        if limits is not None:
            await limits.admit(scope, plan)
        await app(scope, receive, send)

    return counted


def credential_of(connection: HTTPConnection, route: Any, session_cookie: str) -> str | None:
    """A digest of the credential that a request carries, good or bad; None when it carries none.

    Nothing is verified here: who sends another string each time is counted by what is refused. What is verified later
    must have one digest however it is sent: the token alone counts, not how its scheme is written, which spaces stand
    around it, nor the cookies beside it.
    """
    sent = [_token(value) for name, value in connection.scope["headers"] if name == b"authorization"]
    if not sent:
        sent = [value.encode("latin-1", "replace") for value in cookies.sent(connection, session_cookie)]
    if not sent and getattr(route, "path", "") == _ANSWERS_BROWSERS:
        sent = [token.encode() for token in connection.query_params.getlist("token")]
    return sha256(b"\n".join(sent)).hexdigest()[:32] if sent else None


def _token(authorization: bytes) -> bytes:
    """What stands behind the scheme."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip(b" ") or scheme


def sender_of(connection: HTTPConnection, trusted: Sequence[Network]) -> str:
    """The address that a request is counted for: the browser's when our dashboard asks for it, else all of them would
    have one share."""
    browser = browser_of(connection)
    forwarded = browser.address if browser is not None else None
    return network_of(forwarded or client_address(connection, trusted))


def network_of(address: str) -> str:
    """The address that is counted: of IPv6 the /64, because one customer has all of it."""
    if ip_address(address).version == 4:
        return address
    return str(ip_network((address, _IPV6_NETWORK), strict=False))
