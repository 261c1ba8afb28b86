"""API keys on the wire: what must not be made first, then what is, and its end (assurance A-06, N-05, N-06)."""

from __future__ import annotations

import re
import time
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import httpx
import psycopg
import pytest
from keyway_standalone.processes import Stack
from stack import http, sign_in
from standins.mailbox import MailServer

from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home

FORM = re.compile(r"^kw_(live|test)_[a-zA-Z0-9]{40}$")
BODY: dict[str, Any] = {"name": "CI", "environment": "live", "scopes": ["read:secrets"]}
SCOPES = ["read:secrets", "write:secrets", "delete:secrets", "admin:api-keys"]
SHAPE = {
    "id", "name", "prefix", "environment", "scopes", "vaultIds", "environmentIds", "expiresAt", "lastUsedAt",
    "usageCount", "createdAt", "revokedAt", "revokedReason", "isActive",
}  # fmt: skip
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """Somebody with a vault."""
    return stage.home(stack, "keys")


@pytest.fixture(scope="module")
def foreign(stack: Stack) -> Home:
    """Somebody else with another one."""
    return stage.home(stack, "theirs")


def ask(stack: Stack, token: str, method: str = "GET", path: str = "", body: Any = None) -> httpx.Response:
    """A request to the routes of API keys."""
    with http(stack, token) as client:
        return client.request(method, f"/v1/api-keys{path}", json=body)


def mint(stack: Stack, token: str, **more: Any) -> httpx.Response:
    """Asks for a key."""
    return ask(stack, token, "POST", body=BODY | more)


def minted(stack: Stack, token: str, **more: Any) -> dict[str, Any]:
    """A new key."""
    answer = mint(stack, token, **more)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


def person(stack: Stack) -> str:
    """A session of somebody new."""
    return sign_in(stack, GitHub(stack).user("person"))


def pull(home: Home, token: str) -> int:
    """The status of a pull."""
    with http(home.stack, token) as client:
        query = {"repo": home.full_name, "environment": "development"}
        return client.get("/v1/secrets/pull", params=query).status_code


def checksum(text: str) -> str:
    """CRC32 in six base62 digits, written down once more."""
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = DIGITS[digit] + digits
    return digits


class TestMintingRefuses:
    """What is no key."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""), ("name", "   "), ("name", "x" * 101), ("name", 7), ("name", None), ("name", "a\nb"),
            ("name", "a\0b"), ("environment", "prod"), ("environment", None), ("scopes", []), ("scopes", None),
            ("scopes", ["read:secrets", "root"]), ("scopes", ["session"]), ("scopes", "read:secrets"),
            ("scopes", ["READ:SECRETS"]), ("expiresInDays", 0), ("expiresInDays", 366), ("expiresInDays", -1),
            ("expiresInDays", 1.5), ("expiresInDays", "90"), ("expiresInDays", True), ("allowedIps", ["nowhere"]),
            ("allowedIps", ["10.0.0.0/33"]), ("allowedIps", [""]), ("allowedIps", ["fe80::1%eth0"]),
            ("allowedIps", ["fe80::1%\0"]), ("allowedIps", "10.0.0.1"), ("allowedIps", [7]),
            ("allowedIps", ["10.0.0.0/8"] * 101), ("vaultIds", ["x"]), ("vaultIds", "all"),
            ("environmentIds", [str(uuid.uuid4())]),
        ],
    )  # fmt: skip
    def test_a_field_of_the_wrong_form(self, stack: Stack, home: Home, field: str, value: object) -> None:
        """400 that names the field, and nothing of what it held."""
        answer = mint(stack, home.token, **{field: value})
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["field"].split(".")[0] == field

    def test_vaults_that_are_not_ones_own(self, stack: Stack, home: Home, foreign: Home) -> None:
        """Foreign and missing are one 400; so are environments of another vault."""
        missing = str(uuid.uuid4())
        answers = [mint(stack, home.token, vaultIds=[home.vault_id, other]) for other in (foreign.vault_id, missing)]
        theirs = keys.environment_ids(stack, foreign.vault_id)["development"]
        answers += [
            mint(stack, home.token, vaultIds=[home.vault_id], environmentIds=[other]) for other in (theirs, missing)
        ]
        assert {answer.status_code for answer in answers} == {400}
        assert answers[0].json()["errors"] == answers[1].json()["errors"]
        assert answers[2].json()["errors"] == answers[3].json()["errors"]

    def test_while_github_is_silent(self, stack: Stack) -> None:
        """Whether a vault is one's own cannot be said: 503, and no key."""
        home = stage.home(stack, "silent", keep=False)
        stack.control.fault("status", "*", times=0, status=502)
        try:
            # What is forgotten before GitHub is silent, a job may learn anew.
            keys.sql(stack, "DELETE FROM role_cache WHERE github_repo_id = %s", home.repo_id)
            answer = mint(stack, home.token, vaultIds=[home.vault_id])
        finally:
            stack.control.clear_faults()
        assert answer.status_code == 503, answer.text
        assert ask(stack, home.token).json()["data"]["keys"] == []

    def test_who_may_not(self, stack: Stack, home: Home) -> None:
        """401 without a credential, 403 with a key that does not manage keys."""
        with http(stack) as client:
            assert client.post("/v1/api-keys", json=BODY).status_code == 401
        key = minted(stack, home.token, scopes=SCOPES[:3])["token"]
        for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{uuid.uuid4()}"), ("DELETE", f"/{uuid.uuid4()}")):
            assert ask(stack, key, method, path, BODY if method == "POST" else None).status_code == 403


class TestAKeyMakesKeys:
    """A key makes only keys that may do no more than itself, by each of the four measures."""

    def maker(self, home: Home, **more: Any) -> str:
        """A key that may make keys."""
        asked = {"scopes": ["read:secrets", "admin:api-keys"]} | more
        return str(minted(home.stack, home.token, **asked)["token"])

    @pytest.mark.parametrize("scope", ["write:secrets", "delete:secrets"])
    def test_no_scope_more(self, home: Home, scope: str) -> None:
        """A scope that the maker lacks is 403, alone and among others."""
        maker = self.maker(home)
        assert mint(home.stack, maker, scopes=[scope]).status_code == 403
        assert mint(home.stack, maker, scopes=["read:secrets", scope]).status_code == 403
        assert mint(home.stack, maker, scopes=["read:secrets"]).status_code == 200
        assert mint(home.stack, maker, scopes=["admin:api-keys", "read:secrets"]).status_code == 200

    def test_no_vault_more(self, home: Home, foreign: Home) -> None:
        """Bound to a vault: neither unbound, nor to another one, nor to one that is missing."""
        maker = self.maker(home, vaultIds=[home.vault_id])
        for vaults in (None, [], [foreign.vault_id], [home.vault_id, foreign.vault_id], [str(uuid.uuid4())]):
            assert mint(home.stack, maker, vaultIds=vaults).status_code == 403
        assert minted(home.stack, maker, vaultIds=[home.vault_id])["vaultIds"] == [home.vault_id]

    def test_no_environment_more(self, home: Home) -> None:
        """Bound to an environment: not to the whole vault, and not to another environment."""
        there = keys.environment_ids(home.stack, home.vault_id)
        development, production = there["development"], there["production"]
        maker = self.maker(home, vaultIds=[home.vault_id], environmentIds=[development])
        for environments in (None, [], [production], [development, production]):
            answer = mint(home.stack, maker, vaultIds=[home.vault_id], environmentIds=environments)
            assert answer.status_code == 403
        made = minted(home.stack, maker, vaultIds=[home.vault_id], environmentIds=[development])
        assert made["environmentIds"] == [development]

    def test_no_address_more(self, home: Home) -> None:
        """Held to networks: not everywhere, not a larger network, not another one."""
        maker = self.maker(home, allowedIps=["127.0.0.0/8", "2001:db8::/32"])
        for addresses in (None, [], ["0.0.0.0/0"], ["127.0.0.0/7"], ["10.0.0.1"], ["127.0.0.1", "::/0"], ["::1"]):
            assert mint(home.stack, maker, allowedIps=addresses).status_code == 403, addresses
        for addresses in (["127.1.0.0/16"], ["127.0.0.1", "2001:db8:1::/48"], ["::ffff:127.0.0.1"]):
            assert mint(home.stack, maker, allowedIps=addresses).status_code == 200, addresses

    def test_no_day_more(self, home: Home) -> None:
        """Not beyond its own end; without a wish, until then."""
        made = minted(home.stack, home.token, scopes=["read:secrets", "admin:api-keys"], expiresInDays=10)
        assert mint(home.stack, made["token"], expiresInDays=11).status_code == 403
        assert mint(home.stack, made["token"], expiresInDays=9).status_code == 200
        assert minted(home.stack, made["token"])["expiresAt"] == made["expiresAt"]

    def test_a_bound_key_sees_its_own_kind(self, home: Home) -> None:
        """Keys outside its binding are missing from its list, and missing by id."""
        wide = minted(home.stack, home.token)
        narrow = minted(home.stack, home.token, vaultIds=[home.vault_id])
        maker = self.maker(home, vaultIds=[home.vault_id])
        seen = {one["id"] for one in ask(home.stack, maker).json()["data"]["keys"]}
        assert narrow["id"] in seen
        assert wide["id"] not in seen
        assert ask(home.stack, maker, "GET", f"/{wide['id']}").status_code == 404
        assert ask(home.stack, maker, "DELETE", f"/{wide['id']}").status_code == 404
        assert ask(home.stack, maker, "DELETE", f"/{narrow['id']}").status_code == 204


class TestKeys:
    """Made, listed, used, revoked."""

    def test_what_is_made(self, stack: Stack, home: Home) -> None:
        """The shape of the contract, status 200; a token of the published form with its checksum, told once."""
        made = minted(stack, home.token, environment="test", scopes=SCOPES[::-1])
        token = made.pop("token")
        assert FORM.fullmatch(token)
        assert token.startswith("kw_test_")
        assert token[-6:] == checksum(token[:-6])
        assert made["prefix"] == token[:16]
        assert set(made) == SHAPE
        assert made["scopes"] == SCOPES
        assert (made["usageCount"], made["lastUsedAt"], made["isActive"]) == (0, None, True)
        listed = ask(stack, home.token).json()["data"]["keys"]
        assert made == next(one for one in listed if one["id"] == made["id"])
        shown = ask(stack, home.token, "GET", f"/{made['id']}").json()["data"]
        assert shown == made | {"allowedIps": []}

    def test_its_end(self, stack: Stack, home: Home) -> None:
        """Ninety days without a wish, a year at most."""
        for wish, days in ((None, 90), (1, 1), (365, 365)):
            made = minted(stack, home.token, expiresInDays=wish)
            with psycopg.connect(stack.superuser_database_url) as connection:
                row = connection.execute(
                    "SELECT expires_at - created_at = make_interval(days => %s) FROM api_keys WHERE id = %s",
                    (days, made["id"]),
                ).fetchone()
            assert row == (True,)

    def test_addresses_have_one_spelling(self, stack: Stack, home: Home) -> None:
        """Networks are kept as networks, IPv4 in the dress of IPv6 as IPv4, each once."""
        given = ["10.1.2.3/8", "192.0.2.7", "::ffff:192.0.2.7", "2001:DB8::1", "0.0.0.0/0"]
        made = minted(stack, home.token, allowedIps=given)
        shown = ask(stack, home.token, "GET", f"/{made['id']}").json()["data"]["allowedIps"]
        assert shown == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::1/128", "0.0.0.0/0"]

    def test_uses_are_counted_from_what_it_did(self, stack: Stack, home: Home) -> None:
        """Three pulls are three uses, and no use writes to a row that others wait for."""
        made = minted(stack, home.token)
        assert [pull(home, made["token"]) for _ in range(3)] == [200, 200, 200]
        shown = ask(stack, home.token, "GET", f"/{made['id']}").json()["data"]
        assert shown["usageCount"] == 3
        assert shown["lastUsedAt"].endswith("Z")

    def test_revoked(self, stack: Stack, home: Home) -> None:
        """Refused with the next request; stays in the list; a second time is 400."""
        made = minted(stack, home.token)
        assert pull(home, made["token"]) == 200
        assert ask(stack, home.token, "DELETE", f"/{made['id']}").status_code == 204
        assert pull(home, made["token"]) == 401
        again = ask(stack, home.token, "DELETE", f"/{made['id']}")
        assert (again.status_code, again.json()["title"]) == (400, "Bad Request")
        shown = ask(stack, home.token, "GET", f"/{made['id']}").json()["data"]
        assert (shown["isActive"], shown["revokedReason"]) == (False, "Revoked by its owner")

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_ids(self, stack: Stack, home: Home, foreign: Home, method: str) -> None:
        """A malformed id is 400; a foreign one is missing."""
        theirs = minted(stack, foreign.token)["id"]
        assert ask(stack, home.token, method, "/nothing").status_code == 400
        answers = [ask(stack, home.token, method, f"/{one}") for one in (theirs, uuid.uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]

    def test_newest_first_and_ones_own(self, stack: Stack) -> None:
        """Nobody else's are there."""
        token = person(stack)
        made = [minted(stack, token, name=f"k{number}")["id"] for number in range(3)]
        assert [one["id"] for one in ask(stack, token).json()["data"]["keys"]] == made[::-1]

    def test_a_row_that_somebody_else_wrote(self, stack: Stack) -> None:
        """A key whose row was changed behind our back is no key any more, in the list as well."""
        token = person(stack)
        made = minted(stack, token)
        keys.sql(stack, "UPDATE api_keys SET scopes = ARRAY['admin:api-keys'] WHERE id = %s", made["id"])
        assert ask(stack, token).json()["data"]["keys"] == []
        assert ask(stack, token, "GET", f"/{made['id']}").status_code == 404

    def test_it_is_recorded(self, stack: Stack) -> None:
        """Making and revoking each leave a row that names the key and not the token."""
        token = person(stack)
        made = minted(stack, token, name="of the record")
        ask(stack, token, "DELETE", f"/{made['id']}")
        rows = keys.sql(
            stack,
            "SELECT action, details->>'keyName', a::text FROM audit_events a WHERE details->>'keyId' = %s ORDER BY at",
            made["id"],
        )
        assert [row[:2] for row in rows] == [("api_key_created", "of the record"), ("api_key_revoked", "of the record")]
        assert not any(made["token"] in row[2] for row in rows)


class TestLeakReports:
    """Somebody found a key: holding it is the proof."""

    def report(self, stack: Stack, body: Mapping[str, object]) -> httpx.Response:
        """A report by nobody in particular."""
        with http(stack) as client:
            return client.post("/v1/api-keys/leak-reports", json=dict(body))

    def test_what_is_no_key(self, stack: Stack, home: Home) -> None:
        """400 for a wrong form, a wrong checksum, a field too many; nothing of it is repeated."""
        token = minted(stack, home.token)["token"]
        wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
        for body in (
            {},
            {"token": ""},
            {"token": 7},
            {"token": "x" * 2_000},
            {"token": wrong},
            {"token": token[:-1]},
            {"token": f" {token}"},
            {"token": token.replace("kw_live_", "kw_prod_")},
            {"token": token, "more": 1},
        ):
            answer = self.report(stack, body)
            assert answer.status_code == 400, body
            assert token[8:30] not in answer.text
        assert pull(home, token) == 200

    def test_there_is_such_a_key_or_not(self, stack: Stack, home: Home) -> None:
        """202 either way, with one body; the key is refused at once."""
        made = minted(stack, home.token, name="lost")
        unknown = "kw_live_" + "A" * 34
        answers = [self.report(stack, {"token": one}) for one in (made["token"], unknown + checksum(unknown))]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json()["data"] == answers[1].json()["data"]
        assert pull(home, made["token"]) == 401
        assert self.report(stack, {"token": made["token"]}).status_code == 202
        shown = ask(stack, home.token, "GET", f"/{made['id']}").json()["data"]
        assert shown["revokedReason"] == "Reported as leaked"
        rows = keys.sql(
            stack,
            "SELECT actor_login FROM audit_events WHERE details->>'keyId' = %s AND action = 'api_key_revoked'",
            made["id"],
        )
        assert rows == [(home.admin,)]

    def test_the_owner_is_told(self, open_stack: Stack, mailbox: MailServer) -> None:
        """By one mail that names the key and not the token, whatever the key is called."""
        login = GitHub(open_stack).user("careless")
        made = minted(open_stack, sign_in(open_stack, login), name="re_kw_live_key <b>")
        for _ in range(2):
            assert self.report(open_stack, {"token": made["token"]}).status_code == 202
        mails = lambda: [m for to, m in mailbox.taken if to.startswith(login) and "revoked" in m["Subject"]]  # noqa: E731
        deadline = time.monotonic() + 30
        while not mails() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(mails()) == 1
        text = mails()[0].as_string()
        assert "re_kw_live_key" in text
        assert "<b>" not in text.split("<!doctype")[-1]
        assert made["token"][8:] not in text

    def test_it_is_neither_stored_nor_logged(self, stack: Stack, home: Home) -> None:
        """Nothing of a reported token lies in the database or in a log."""
        token = minted(stack, home.token)["token"]
        assert self.report(stack, {"token": token}).status_code == 202
        secret = token[16:-6]
        logs = "".join(path.read_text(errors="replace") for path in stack.log_dir.glob("backend*.log"))
        assert secret not in logs
        tables = keys.sql(stack, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            statement = f'SELECT 1 FROM "{table}" AS t WHERE t::text LIKE %s'
            with psycopg.connect(stack.superuser_database_url) as connection:
                assert connection.execute(statement.encode(), (f"%{secret}%",)).fetchall() == [], table
