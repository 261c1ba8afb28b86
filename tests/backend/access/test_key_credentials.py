"""API keys as a credential (policy.yaml `credentials.api_key`; assurance.md A-05, N-06)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString
from uuid import uuid4

import pytest
import yaml
from keyway_backend.access import api_keys
from keyway_backend.access.actor import Binding, Scope
from keyway_backend.access.binding import may_enter
from keyway_standalone.processes import Stack

from tests.oracle import keys, stage
from tests.oracle.keys import environment_ids, give, sql
from tests.oracle.policy import PATH
from tests.oracle.stage import Home
from tests.oracle.wire import Answer, Call, bearer, send


@pytest.fixture(scope="module")
def home(stack: Stack) -> Home:
    """A vault with one value in development, which these tests leave as it is."""
    return stage.home(stack, "keys")


@pytest.fixture(scope="module")
def second(stack: Stack, home: Home) -> str:
    """Another vault of the same person: its full name."""
    name = f"{home.full_name}-2"
    stage.GitHub(stack).repo(name, {home.admin: "admin"})
    stage.create_vault(stack, home.token, name)
    assert stage.push(stack, home.token, name, "development", {"A": "1"}).status == 200
    return name


def get(home: Home, token: str, path: str) -> Answer:
    """A GET with a key."""
    return send(home.base, Call("GET", path, (bearer(token),)))


def pull(home: Home, token: str, name: str = "", environment: str = "development") -> Answer:
    """A pull with a key."""
    return get(home, token, f"/v1/secrets/pull?repo={name or home.full_name}&environment={environment}")


class TestForm:
    """Form and checksum, before any look-up."""

    @pytest.mark.parametrize("environment", ["live", "test"])
    def test_what_is_minted_is_well_formed(self, environment: Any) -> None:
        """Every key has the documented form."""
        tokens = [api_keys.mint(environment).reveal() for _ in range(200)]
        assert all(api_keys.is_well_formed(token) for token in tokens)
        assert len(set(tokens)) == 200
        assert {len(token) for token in tokens} == {48}

    def test_one_changed_character_is_refused(self) -> None:
        """No place of a key can be changed without the checksum telling, and nothing can be added."""
        token = api_keys.mint("live").reveal()
        for place in range(8, len(token)):
            other = "a" if token[place] != "a" else "b"
            assert not api_keys.is_well_formed(token[:place] + other + token[place + 1 :])
        assert not api_keys.is_well_formed(token.replace("live", "test"))
        for odd in (token + "a", token[:-1], token + "\n", f" {token}", token.upper(), "", "kw_live_"):
            assert not api_keys.is_well_formed(odd)

    @pytest.mark.parametrize(
        ("entry", "address", "fits"),
        [
            ("10.0.0.0/8", "10.255.255.255", True), ("10.0.0.0/8", "11.0.0.0", False), ("10.1.2.3", "10.1.2.3", True),
            ("10.1.2.3/8", "10.9.9.9", True), ("0.0.0.0/0", "203.0.113.9", True), ("0.0.0.0/0", "2001:db8::1", False),
            ("::/0", "2001:db8::1", True), ("::/0", "10.0.0.1", False), ("2001:db8::/32", "2001:db8:1::", True),
            ("2001:db8::/32", "2001:db9::", False), ("::ffff:10.0.0.0/104", "10.1.1.1", True),
            ("::ffff:10.0.0.1", "10.0.0.1", True), ("nonsense", "10.0.0.1", False), ("10.0.0.0/8", "", False),
        ],
    )  # fmt: skip
    def test_addresses(self, entry: str, address: str, fits: bool) -> None:  # noqa: FBT001 - a table
        """IPv4, IPv6, IPv4 in IPv6 dress, everything, host bits (A-05)."""
        assert api_keys.admits([entry], address) is fits

    def test_an_empty_list_admits_all(self) -> None:
        """No addresses: from everywhere."""
        assert api_keys.admits([], "203.0.113.9")


class TestRefused:
    """Keys that are none, or may not."""

    def test_unknown_and_malformed(self, home: Home) -> None:
        """Well formed and unknown, wrong checksum, wrong form: one answer."""
        unknown = api_keys.mint("live").reveal()
        answers = [pull(home, token) for token in (unknown, unknown[:-1] + "!", unknown + "a", "kw_", "kw_live_x")]
        assert {answer.status for answer in answers} == {401}
        assert len({answer.comparable(home.full_name) for answer in answers}) == 1

    def test_revoked_is_refused_at_once(self, home: Home) -> None:
        """The next request after the revocation."""
        key = give(home.stack, home.token)
        assert pull(home, key.token).status == 200
        sql(home.stack, "UPDATE api_keys SET revoked_at = now() WHERE id = %s", key.id)
        assert pull(home, key.token).status == 401

    def test_expired(self, home: Home) -> None:
        """A key that is over."""
        assert pull(home, give(home.stack, home.token, days=-0.001).token).status == 401

    @pytest.mark.parametrize(
        "change",
        [
            "UPDATE api_keys SET scopes = '{read:secrets,write:secrets}' WHERE id = %s",
            "UPDATE api_keys SET vault_ids = NULL WHERE id = %s",
            "UPDATE api_keys SET environment_ids = NULL WHERE id = %s",
            "UPDATE api_keys SET allowed_ips = '{}' WHERE id = %s",
            "UPDATE api_keys SET expires_at = expires_at + interval '1 day' WHERE id = %s",
            "UPDATE api_keys SET mac = '' WHERE id = %s",
            """UPDATE api_keys SET user_id = (
               SELECT u.id FROM users AS u WHERE u.id <> api_keys.user_id LIMIT 1) WHERE id = %s""",
        ],
    )
    def test_a_row_that_somebody_else_wrote(self, home: Home, change: LiteralString) -> None:
        """Whoever can write the table can widen no key: it counts as absent (policy.yaml `tamper`)."""
        stage.stranger(home.stack)
        inside = environment_ids(home.stack, home.vault_id)["development"]
        key = give(
            home.stack,
            home.token,
            {Scope.READ},
            vaults=[home.vault_id],
            environments=[inside],
            addresses=["127.0.0.0/8"],
        )
        assert pull(home, key.token).status == 200
        sql(home.stack, change, key.id)
        assert pull(home, key.token).status == 401

    def test_a_copied_hash_is_no_key(self, home: Home) -> None:
        """The hash of one's own token in the row of somebody else's key."""
        mine, theirs = api_keys.mint("live").reveal(), give(home.stack, home.token)
        sql(home.stack, "UPDATE api_keys SET token_hash = %s WHERE id = %s", api_keys.hash_of(mine), theirs.id)
        assert pull(home, mine).status == 401

    def test_from_another_address(self, home: Home) -> None:
        """Refused before the scope is looked at, whatever X-Forwarded-For claims."""
        key = give(home.stack, home.token, (), addresses=["203.0.113.0/24"])
        claim = ("X-Forwarded-For", "203.0.113.7")
        call = Call(
            "GET", f"/v1/secrets/pull?repo={home.full_name}&environment=development", (bearer(key.token), claim)
        )
        answer = send(home.base, call)
        assert (answer.status, "address" in answer.detail) == (403, True)

    @pytest.mark.parametrize("scope", sorted(keys.ALL - {Scope.READ}))
    def test_a_scope_contains_no_other(self, home: Home, scope: Scope) -> None:
        """Each of the others reads nothing."""
        key = give(home.stack, home.token, {scope})
        assert pull(home, key.token).status == 403
        assert get(home, key.token, "/v1/vaults").status == 403

    def test_a_reading_key_writes_nothing(self, home: Home) -> None:
        """Push and creation of a vault."""
        key = give(home.stack, home.token, {Scope.READ})
        assert stage.push(home.stack, key.token, home.full_name, "development", {"A": "1"}).status == 403
        call = Call("POST", "/v1/vaults", (bearer(key.token),), {"repoFullName": home.full_name})
        assert send(home.base, call).status == 403

    def test_a_key_has_its_owners_present_rights(self, home: Home) -> None:
        """A key of somebody who never had a role reaches nothing."""
        key = give(home.stack, stage.stranger(home.stack))
        assert pull(home, key.token).status == 403
        assert get(home, key.token, "/v1/vaults").json()["data"] == []


class TestBinding:
    """Bound keys: the binding is decided before existence."""

    def test_own_foreign_and_missing_vaults_answer_alike(self, home: Home, second: str) -> None:
        """A vault of the owner, one of somebody else, and none."""
        key = give(home.stack, home.token, vaults=[home.vault_id])
        foreign = stage.home(home.stack, "foreign").full_name
        for path in (
            "/v1/vaults/{}",
            "/v1/secrets/pull?repo={}&environment=development",
            "/v1/github/repo-ids?repo={}",
        ):
            names = (second, foreign, "nobody/nothing")
            answers = [(name, get(home, key.token, path.format(name))) for name in names]
            assert {answer.status for _, answer in answers} == {403}
            assert len({answer.comparable(name) for name, answer in answers}) == 1

    def test_lists_are_filtered_and_vaults_are_not_made(self, home: Home, second: str) -> None:
        """The list shows the bound vault alone; creation is refused; who the key is, it may ask."""
        key = give(home.stack, home.token, vaults=[home.vault_id])
        shown = get(home, key.token, "/v1/vaults").json()["data"]
        assert [item["id"] for item in shown] == [home.vault_id]
        assert {item["id"] for item in home.get("/v1/vaults").json()["data"]} > {home.vault_id}
        name = f"{second}-new"
        stage.GitHub(home.stack).repo(name, {home.admin: "admin"})
        assert send(home.base, Call("POST", "/v1/vaults", (bearer(key.token),), {"repoFullName": name})).status == 403
        assert get(home, key.token, "/v1/users/me").status == 200

    def test_an_environment_outside_the_binding(self, home: Home) -> None:
        """Another environment and none at all are refused alike; the vault's page shows the bound one alone."""
        inside = environment_ids(home.stack, home.vault_id)["development"]
        key = give(home.stack, home.token, vaults=[home.vault_id], environments=[inside])
        assert pull(home, key.token).status == 200
        other, missing = (pull(home, key.token, environment=name) for name in ("production", "nowhere"))
        assert (other.status, missing.status) == (403, 403)
        assert other.comparable("production") == missing.comparable("nowhere")
        assert get(home, key.token, f"/v1/vaults/{home.full_name}").json()["data"]["environments"] == ["development"]

    def test_a_binding_to_nothing_reaches_nothing(self, home: Home) -> None:
        """An empty list of vaults is not everything."""
        key = give(home.stack, home.token, vaults=[])
        assert pull(home, key.token).status == 403
        assert get(home, key.token, "/v1/vaults").json()["data"] == []

    def test_the_lists_are_those_of_the_policy(self) -> None:
        """Route by route: what a key that is bound to a vault, or to an environment of it, may enter."""
        text = yaml.safe_load(PATH.read_text())["credentials"]["api_key"]["binding"]
        vault, environment = Binding(frozenset({uuid4()})), Binding(frozenset({uuid4()}), frozenset({uuid4()}))
        for entry in [*text["exempt"], *text["filtered_to_binding"]]:
            assert may_enter(environment, *entry.split()), entry
        bound = text["bound_to_environments"]
        for entry in [*bound["filtered_to_binding"], *bound["tell_of_no_environment"]]:
            assert may_enter(environment, *entry.split()), entry
        whole = [
            ("DELETE", ""), ("DELETE", "/trash"), ("POST", "/environments"), ("GET", "/collaborators"),
            ("GET", "/contributors"),
        ]  # fmt: skip
        for method, path in whole:
            assert may_enter(vault, method, f"/v1/vaults/{{owner}}/{{repo}}{path}")
            assert not may_enter(environment, method, f"/v1/vaults/{{owner}}/{{repo}}{path}")
        others = ("/v1/integrations/connections", "/v1/orgs/{org}/exposure", "/v1/github/installations", "/v1/new")
        assert not any(may_enter(vault, "GET", path) for path in others)
        assert not may_enter(vault, "POST", "/v1/vaults")


class TestAccepted:
    """What a key is for."""

    def test_it_acts_for_its_owner(self, home: Home) -> None:
        """Reads, writes, lists."""
        key = give(home.stack, home.token)
        assert pull(home, key.token).status == 200
        assert get(home, key.token, f"/v1/vaults/{home.full_name}").status == 200
        pushed = stage.push(home.stack, key.token, home.full_name, "staging", {"BY_KEY": "1"})
        assert pushed.status == 200

    def test_its_use_is_noted_once_a_minute(self, home: Home) -> None:
        """A hundred uses are not a hundred writes to one row."""
        key = give(home.stack, home.token, {Scope.READ})
        assert {pull(home, key.token).status for _ in range(20)} == {200}
        used: Callable[[], Any] = lambda: sql(  # noqa: E731 - asked twice
            home.stack, "SELECT last_used_at, usage_count FROM api_keys WHERE id = %s", key.id
        )
        [(first, count)] = used()
        assert (first is not None, count) == (True, 1)
        sql(home.stack, "UPDATE api_keys SET last_used_at = last_used_at - interval '2 minutes' WHERE id = %s", key.id)
        assert pull(home, key.token).status == 200
        assert used()[0][1] == 21
