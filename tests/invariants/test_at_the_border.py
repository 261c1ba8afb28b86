"""Every limit of policy.yaml can be reached: what is exactly at it is taken, one more is refused with the figure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from keyway_backend.platform.errors import TooManyRequests
from keyway_backend.platform.limits import Limits, Memory, Plan, plan_of
from keyway_standalone.processes import Stack
from oracle import stage
from oracle.policy import Policy
from oracle.wire import Answer, Call, address, bearer, send
from stack import sign_in

LIMITS: Final[dict[str, Any]] = Policy.load().document["limits"]
SECRETS: Final[dict[str, Any]] = LIMITS["secrets"]
VALUE, KEY = SECRETS["value_bytes_utf8"], SECRETS["key_max_length"]
KEYS, PLAINTEXT, BODY = (
    SECRETS[name] for name in ("keys_per_environment", "plaintext_bytes_per_environment", "request_body_bytes")
)
OVER: Final[dict[str, int]] = SECRETS["over"]
# The figures of policy.yaml `limits.rate` that are counted by address on a route without a credential.
BY_ADDRESS: Final = {
    "oidc_exchange_per_address": ("POST", "/v1/auth/oidc/github"),
    "session_exchange_per_address": ("POST", "/v1/auth/session/exchange"),
    "leak_report_per_address": ("POST", "/v1/api-keys/leak-reports"),
    "device_verify_per_address": ("GET", "/v1/auth/device/verify"),
}


@pytest.fixture(scope="module")
def home(stack: Stack) -> stage.Home:
    """A vault whose environments are filled up."""
    return stage.home(stack, "border", keep=False)


def ask(home: stage.Home, method: str, path: str, body: Any = None, token: str = "") -> Answer:
    """A request below the vault."""
    return send(home.base, Call(method, f"/v1/vaults/{home.full_name}{path}", (bearer(token or home.token),), body))


def made(home: stage.Home, key: str, environment: str, value: str = "1") -> str:
    """A new secret's id."""
    answer = ask(home, "POST", "/secrets", {"key": key, "value": value, "environment": environment})
    assert answer.status == 201, answer.body
    return str(answer.json()["data"]["id"])


def trashed(home: stage.Home, key: str, environment: str) -> str:
    """The id of one that lies in the trash."""
    secret = made(home, key, environment)
    assert ask(home, "DELETE", f"/secrets/{secret}").status == 200
    return secret


def filled(home: stage.Home, environment: str, values: Mapping[str, str]) -> None:
    """Pushed beside what is there, by somebody who has pulled nothing."""
    assert stage.push(home.stack, home.token, home.full_name, environment, values).status == 200


class TestOneSecret:
    @pytest.mark.parametrize("character", ["v", "é", "€", "\u0001"])
    def test_a_value(self, home: stage.Home, character: str) -> None:
        """65,536 bytes of UTF-8, whatever they are: on each route that takes a value."""
        size = len(character.encode())
        most = character * (VALUE // size) + "v" * (VALUE % size)
        secret = made(home, f"V{ord(character)}", "development", most)
        writes: dict[str, Callable[[str], Answer]] = {
            "create": lambda value: ask(
                home, "POST", "/secrets", {"key": f"W{ord(character)}", "value": value, "environment": "development"}
            ),
            "change": lambda value: ask(home, "PATCH", f"/secrets/{secret}", {"value": value}),
            "push": lambda value: home.push({f"X{ord(character)}": value}, "development"),
            "preview": lambda value: ask(
                home, "POST", "/environments/development/import/preview", {"secrets": {"Y": value}}
            ),
        }
        for name, write in writes.items():
            assert write(most).status in {200, 201}, name
            over = write(most + "v")
            assert over.status == OVER["value"], name
            assert str(VALUE) in over.body.decode(), name
        assert ask(home, "GET", f"/secrets/{secret}/value").json()["data"]["value"] == most
        assert ask(home, "DELETE", f"/secrets/{secret}").status == 200

    def test_a_name(self, home: stage.Home) -> None:
        """256 characters: pushed, created, renamed, copied, previewed."""
        most = "K" * KEY
        secret = made(home, "SHORT", "staging")
        writes: dict[str, Callable[[str], Answer]] = {
            "push": lambda key: stage.push(home.stack, home.token, home.full_name, "development", {key: "1"}),
            "create": lambda key: ask(
                home, "POST", "/secrets", {"key": key, "value": "1", "environment": "production"}
            ),
            "copy": lambda key: ask(home, "POST", f"/secrets/{secret}/copy", {"target": "development", "key": key}),
            "rename": lambda key: ask(home, "PATCH", f"/secrets/{secret}", {"name": key}),
            "preview": lambda key: ask(
                home, "POST", "/environments/development/import/preview", {"secrets": {key: "1"}}
            ),
        }
        for name, write in writes.items():
            assert write(most).status in {200, 201}, name
            assert write(most + "K").status == OVER["key"], name

    def test_an_environments_name(self, home: stage.Home) -> None:
        """Two to thirty characters: created and renamed."""
        for shortest in ("ab", "a" * 30):
            assert ask(home, "POST", "/environments", {"name": shortest}).status == 201
        for wrong in ("a", "a" * 31, "Ab", "1a", "a.b", "a b"):
            assert ask(home, "POST", "/environments", {"name": wrong}).status == 400, wrong
            assert ask(home, "PATCH", "/environments/ab", {"newName": wrong}).status == 400, wrong
        assert ask(home, "PATCH", "/environments/ab", {"newName": "b" * 30}).status == 200


class TestAnEnvironment:
    def test_its_keys(self, stack: Stack) -> None:
        """A thousand. One more comes in by no way: push, create, restore, copies."""
        home = stage.home(stack, "crowded", keep=False)
        old, other = trashed(home, "OLD", "staging"), made(home, "OTHER", "development")
        filled(home, "staging", {f"N{number}": "1" for number in range(KEYS)})
        revision = ask(home, "GET", "/environments/staging/revision").header("etag")
        ways = {
            "push": stage.push(stack, home.with_role("admin"), home.full_name, "staging", {"MORE": "1"}),
            "create": ask(home, "POST", "/secrets", {"key": "MORE", "value": "1", "environment": "staging"}),
            "restore": ask(home, "POST", f"/trash/{old}/restore"),
            "copy": ask(home, "POST", f"/secrets/{other}/copy", {"target": "staging", "key": "MORE"}),
            "copy of all": ask(home, "POST", "/environments/development/copy", {"target": "staging"}),
        }
        assert {way: answer.status for way, answer in ways.items()} == dict.fromkeys(ways, OVER["keys_per_environment"])
        assert all(str(KEYS) in answer.body.decode() for answer in ways.values())
        head = ask(home, "GET", "/environments/staging/revision").header("etag")
        assert (head, len(home.values("staging"))) == (revision, KEYS)

    def test_its_bytes(self, stack: Stack) -> None:
        """4 MiB, to the byte, in a body of 12 MiB. One more comes in by no way."""
        home = stage.home(stack, "heavy", keep=False)
        old, other = trashed(home, "OLD", "staging"), made(home, "OTHER", "development")
        last = VALUE - 1
        values = {f"N{number}": "v" * VALUE for number in range(PLAINTEXT // VALUE - 1)} | {"LAST": "v" * last}
        body = home.push_body(values, "staging")
        exact = body[:-1] + b" " * (BODY - len(body)) + b"}"
        over = home.push_bytes(exact[:-1] + b" }")
        assert (over.status, str(BODY) in over.detail) == (OVER["request_body"], True)
        assert home.push_bytes(exact).status == 200
        secret = next(one["id"] for one in ask(home, "GET", "/secrets").json()["data"] if one["key"] == "LAST")
        assert ask(home, "PATCH", f"/secrets/{secret}", {"value": "v" * VALUE}).status == 200
        assert sum(len(value) for value in home.values("staging").values()) == PLAINTEXT
        ways = {
            "push": stage.push(stack, home.with_role("admin"), home.full_name, "staging", {"MORE": "1"}),
            "create": ask(home, "POST", "/secrets", {"key": "MORE", "value": "1", "environment": "staging"}),
            "restore": ask(home, "POST", f"/trash/{old}/restore"),
            "copy": ask(home, "POST", f"/secrets/{other}/copy", {"target": "staging", "key": "MORE"}),
            "copy of all": ask(home, "POST", "/environments/development/copy", {"target": "staging"}),
        }
        assert {way: answer.status for way, answer in ways.items()} == dict.fromkeys(
            ways, OVER["plaintext_per_environment"]
        )
        assert all(str(PLAINTEXT) in answer.detail for answer in ways.values())
        shorter = ask(home, "PATCH", f"/secrets/{secret}", {"value": "v" * last})
        assert (shorter.status, ask(home, "POST", f"/trash/{old}/restore").status) == (200, 200)


class TestOthers:
    def test_days_of_a_key(self, home: stage.Home) -> None:
        """1 to 365, 90 when nothing is said."""
        days = LIMITS["api_key_days"]
        body = {"name": "border", "environment": "live", "scopes": ["read:secrets"]}
        for wanted, status in {1: 200, days["max"]: 200, 0: 400, days["max"] + 1: 400}.items():
            assert home.post("/v1/api-keys", body | {"expiresInDays": wanted}).status == status, wanted

    def test_pages(self, stack: Stack, home: stage.Home) -> None:
        """What every list says of itself in the OpenAPI holds, and is a figure of the policy."""
        document = httpx.get(f"{stack.ops_url}/openapi.json").json()
        pages, seen = LIMITS["pages"], set()
        owner, repo = home.full_name.split("/")
        secret = made(home, "LISTED", "production")
        names = {"owner": owner, "repo": repo, "org": owner, "name": "production", "secretId": secret}
        names["username"] = home.admin
        home.post("/v1/orgs/connect", {"orgLogin": owner})
        for path, item in document["paths"].items():
            limit = next((one for one in item.get("get", {}).get("parameters", []) if one["name"] == "limit"), None)
            if limit is None:
                continue
            most = _maximum(limit["schema"])
            there = path.format(**{name: quote(value) for name, value in names.items()})
            query = f"repo={home.full_name}&environment=production&" if path == "/v1/secrets/pull" else ""
            assert home.get(f"{there}?{query}limit={most}").status == 200, path
            for wrong in (most + 1, 0, -1):
                assert home.get(f"{there}?{query}limit={wrong}").status == 400, (path, wrong)
            if "/security/" not in path:  # these are cut to 100 without a word (contract.md 1.2)
                assert most in {pages["explicit_max"], pages["pull_max"], 200}, path
            seen.add(path)
        assert len(seen) == 19, seen


def _maximum(schema: Mapping[str, Any]) -> int:
    return int(next(one["maximum"] for one in (schema, *schema.get("anyOf", ())) if "maximum" in one))


def until_refused(stack: Stack, call: Call, most: int) -> list[int]:
    """The statuses of so many requests, and of one more, from one address."""
    here = address()
    return [send(stack.api_url, call, source=here).status for _ in range(most + 1)]


class TestRates:
    @pytest.mark.parametrize("figure", BY_ADDRESS)
    def test_by_address(self, stack: Stack, figure: str) -> None:
        """So many requests of an address in a minute are looked at, and the next is 429."""
        method, path = BY_ADDRESS[figure]
        most = LIMITS["rate"][figure]
        statuses = until_refused(stack, Call(method, path, (), {} if method == "POST" else None), most)
        assert (set(statuses[:-1]) <= {302, 400, 401}, statuses[-1]) == (True, 429)

    def test_values_and_comparisons(self, stack: Stack, home: stage.Home) -> None:
        """Ten values, thirty comparisons and digests together, of a credential."""
        secret, login = made(home, "RATED", "production"), home.login_with("admin")
        token, rate = sign_in(stack, login), LIMITS["rate"]
        values = [ask(home, "GET", f"/secrets/{secret}/value", token=token) for _ in range(rate["value_routes"] + 1)]
        assert [one.status for one in values] == [200] * rate["value_routes"] + [429]
        compare = "/compare?left=development&right=production"
        half = rate["digests_and_compare"] // 2
        calls = [("GET", compare, None)] * half + [("POST", "/environments/production/digests", {})] * (half + 1)
        answers = [ask(home, method, path, body, token) for method, path, body in calls]
        assert [one.status for one in answers] == [200] * 2 * half + [429]
        assert ask(home, "GET", f"/secrets/{secret}/value", token=sign_in(stack, login)).status == 200

    @pytest.mark.parametrize(
        ("figure", "plan", "headers"),
        [
            ("per_credential", plan_of(["GET"], "/v1/vaults", public=False), [(b"authorization", b"Bearer a.b.c")]),
            ("per_address_without_credential", plan_of(["GET"], "/v1/vaults", public=False), []),
            ("device_poll_per_address", plan_of(["POST"], "/v1/auth/device/poll", public=True), []),
        ],
    )
    def test_of_everything(self, figure: str, plan: Plan, headers: list[tuple[bytes, bytes]]) -> None:
        """The large ones, counted by what counts in the server."""
        scope = {"type": "http", "client": ("203.0.113.7", 1), "headers": headers, "query_string": b""}

        async def count() -> int:
            limits, admitted = Limits(Memory()), 0
            with suppress(TooManyRequests):
                while admitted < 2_000:
                    await limits.admit(dict(scope), plan)
                    admitted += 1
            return admitted

        assert asyncio.run(count()) == LIMITS["rate"][figure]


def test_every_limit_is_looked_at_somewhere() -> None:
    """A figure that the policy adds is added here, or to the tests that its name stands beside."""
    here = {"secrets", "environment", "pages", "api_key_days", "rate"}
    elsewhere = {
        "key_names": "test_bad_input.py", "history": "test_trash.py", "sessions": "test_sessions.py",
        "ci_token_minutes": "test_exchange.py", "one_time_code_seconds": "test_web_sign_in.py",
        "oauth_state_minutes": "test_web_sign_in.py", "device_login": "test_device_flow.py",
        "idempotency_hours": "test_push.py", "access_cache": "test_roles.py", "deadlines_seconds": "test_transport.py",
    }  # fmt: skip
    assert set(LIMITS) == here | set(elsewhere)
    assert set(LIMITS["rate"]) == {
        *BY_ADDRESS, "per_credential", "per_address_without_credential", "device_poll_per_address", "value_routes",
        "digests_and_compare", "device_start", "check_installation_per_person", "failed_credentials_per_address",
        "exempt",
    }  # fmt: skip
    assert json.dumps(OVER, sort_keys=True) == json.dumps(
        {"key": 400, "keys_per_environment": 400, "plaintext_per_environment": 413, "request_body": 413, "value": 400}
    )
