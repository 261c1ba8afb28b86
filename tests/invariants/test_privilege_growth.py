"""Nobody gives themselves a right (assurance.md A-06): everybody tries everything that hands out rights, in vain.

Whoever may hand them out already has them all (role admin). Rights are what a row of requests answers, each of which
needs another one; they are looked at before and after everybody's attempts.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import pytest
from keyway_standalone.processes import Stack
from oracle import crowd as crowds
from oracle import keys
from oracle.cast import NEW_VAULT
from oracle.crowd import Caller, Crowd
from oracle.report import Record
from oracle.wire import Answer, Call, Line, bearer, send

ALL: Final = sorted(one.value for one in keys.ALL)
REFUSED: Final = 401
MAY_CREATE: Final = {"key write:secrets", "key of all scopes", "key of this vault"}
Rights = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module")
def crowd(stack: Stack) -> Crowd:
    """Everybody."""
    return crowds.gather(stack)


@pytest.fixture(scope="module")
def before(crowd: Crowd) -> Rights:
    """What everybody may, before anybody tries anything."""
    return rights(crowd)


@dataclass
class Asker:
    """Sends requests of somebody. Who is refused is counted by address, and comes from another one each time."""

    crowd: Crowd
    caller: Caller
    line: Line

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        """One of them."""
        answer = self.line.send(Call(method, path, self.caller.headers(self.crowd.number()), body))
        if answer.status == REFUSED:
            self.line.close()
        return answer


@contextmanager
def asking(crowd: Crowd, caller: Caller) -> Iterator[Asker]:
    """Whoever asks."""
    with Line(crowd.stack.api_url) as line:
        yield Asker(crowd, caller, line)


def probes(crowd: Crowd) -> Iterator[tuple[str, str, Any]]:
    """Requests that change nothing; each needs a right that another one does not.

    No attempt names the sibling: what could grow there, by its organisation, are rights on environments. So only pulls,
    imports and the trash of it are asked for, which need a different scope of a key each.
    """
    for label in ("own", "sibling", "foreign", "suspended"):
        ground = crowd.grounds[label]
        path, full = f"/v1/vaults/{ground.full_name}", ground.full_name
        for name in NEW_VAULT:
            yield "GET", f"/v1/secrets/pull?repo={full}&environment={name}", None
            yield "POST", f"{path}/environments/{name}/import/preview", {"secrets": {"A": "1"}}
        yield "DELETE", f"{path}/trash/{ground.vault_id}", None
        if label == "sibling":
            continue
        yield "GET", path, None
        yield "GET", f"{path}/collaborators", None
        yield "GET", f"{path}/permissions/effective?user={crowd.logins['triage']}", None
        yield "GET", f"/v1/orgs/{ground.owner}", None
        yield "GET", f"/v1/orgs/{ground.owner}/exposure", None
        yield "POST", f"/v1/orgs/{ground.owner}/trial/start", {}
    yield "GET", "/v1/api-keys", None
    yield "GET", "/v1/auth/sessions", None


def rights(crowd: Crowd) -> Rights:
    """What everybody's probes answer."""
    asked = list(probes(crowd))

    def of(caller: Caller) -> tuple[int, ...]:
        with asking(crowd, caller) as ask:
            return tuple(ask(*one).status for one in asked)

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(crowd.callers, pool.map(of, crowd.callers.values()), strict=True))


def attempts(crowd: Crowd, caller: Caller) -> Iterator[tuple[str, str, Any]]:
    """What would give this person, or all who are like them, more than they have."""
    all_roles = {role: {kind: {"read": True, "write": True} for kind in ("development", "standard", "protected")}
                 for role in ("read", "triage", "write", "maintain", "admin")}  # fmt: skip
    me = crowds.claims(crowd.sessions[caller.name][0])["sub"] if caller.name in crowd.sessions else ""
    targets: list[dict[str, Any]] = [{"targetType": "role", "targetRole": role} for role in ("read", "write")]
    targets += [{"targetType": "user", "targetUserId": me}] if me else []
    for label in ("own", "foreign", "suspended"):
        ground = crowd.grounds[label]
        path = f"/v1/vaults/{ground.full_name}"
        for target in targets:
            for name in ("*", "production"):
                body = {"environment": name, **target, "canRead": True, "canWrite": True}
                yield "POST", f"{path}/permissions/overrides", body
        yield "PUT", f"{path}/permissions/overrides/{ground.override}", {"canRead": True, "canWrite": True}
        yield "PUT", f"{path}/permissions/production", {"permissions": {"read": "read", "write": "read"}}
        yield "PATCH", f"{path}/environments/production/type", {"type": "development"}
        yield "PATCH", f"{path}/environments/production", {"newName": "dev"}
        yield "POST", f"{path}/environments", {"name": "local"}
        rule = {"environment": "production", "refs": ["refs/heads/*"]}
        yield "POST", f"{path}/oidc-rules", rule
        yield "PUT", f"{path}/oidc-rules/{ground.rule}", rule
        yield "DELETE", f"{path}/permissions/reset", None
        yield "PUT", f"/v1/orgs/{ground.owner}", {"defaultPermissions": all_roles}
        yield "POST", f"/v1/orgs/{ground.owner}/members/sync", {}
        if label not in caller.orgs:
            yield "POST", "/v1/orgs/connect", {"orgLogin": ground.owner}


def climbers(crowd: Crowd) -> list[Caller]:
    """Everybody but who may hand out rights. The administrators' own attempts would give rights to others, which is
    their office; those of their keys, and of their cookie on a foreign page, would not."""
    return [one for one in crowd.callers.values() if not (one.kind == "session" and one.roles.get("own") == "admin")
            or (one.by_cookie and not one.own_page)]  # fmt: skip


def may_already(crowd: Crowd, caller: Caller, path: str) -> bool:
    """Whether a right would not grow by this: in a vault of one's own, and where environments may be made."""
    own = caller.roles.get("foreign") == "admin" and crowd.grounds["foreign"].owner in path
    here = caller.name in MAY_CREATE and crowd.grounds["own"].full_name in path
    return own or (here and "/environments" in path and not path.endswith("/type"))


def test_the_probes_tell_rights_apart(before: Rights) -> None:
    """Positive control: no two kinds of people answer alike, so that a right that grew would be seen."""
    kinds = ("anonymous", "stranger", "read", "write", "admin", "org owner", "org member", "outsider", "creator",
             "key read:secrets", "key write:secrets", "key of all scopes", "workflow")  # fmt: skip
    for one, other in combinations(kinds, 2):
        assert before[one] != before[other], (one, other)


def test_nobody_gives_themselves_a_right(crowd: Crowd, before: Rights, record_property: Record) -> None:
    """Overrides, rules, environments and their types, defaults of organisations: refused; and afterwards everybody may
    what they might before."""
    wrong: list[str] = []

    def climb(caller: Caller) -> int:
        asked = [one for one in attempts(crowd, caller) if not may_already(crowd, caller, one[1])]
        with asking(crowd, caller) as ask:
            for method, path, body in asked:
                answer = ask(method, path, body)
                if answer.status not in {REFUSED, 403, 404}:
                    wrong.append(f"{caller.name}: {method} {path}: {answer.status} {answer.body[:200]!r}")
        return len(asked)

    with ThreadPoolExecutor(4) as pool:
        count = sum(pool.map(climb, climbers(crowd)))
    assert wrong == []
    assert rights(crowd) == before
    record_property(
        "privilege growth", f"{count} attempts of {len(climbers(crowd))} principals, 0 let in, rights as before"
    )


class TestKeysThatMakeKeys:
    """A key that may make keys makes none that may do more."""

    @pytest.mark.parametrize("limit", ["scopes", "vaults", "environments", "addresses", "days"])
    def test_no_limit_is_lost(self, crowd: Crowd, limit: str) -> None:
        """Each limit by itself: asked for beyond, or left out, it is 403."""
        own, sibling = crowd.grounds["own"], crowd.grounds["sibling"]
        session = crowd.sessions["org owner"][0]
        bound = {"vaultIds": [own.vault_id], "environmentIds": [own.environment_ids["staging"]]}
        limits = {
            "vaults": [own.vault_id], "environments": [own.environment_ids["staging"]], "addresses": ["127.0.0.0/8"],
        }  # fmt: skip
        scopes = {one for one in keys.ALL if one.value in {"read:secrets", "admin:api-keys"}}
        maker = keys.give(crowd.stack, session, scopes, days=2, **limits)
        good = {"name": "less", "environment": "live", "scopes": ["read:secrets"], "expiresInDays": 1,
                "allowedIps": ["127.0.0.0/9"], **bound}  # fmt: skip
        more: dict[str, list[dict[str, Any]]] = {
            "scopes": [{"scopes": [one]} for one in ("write:secrets", "delete:secrets")] + [{"scopes": ALL}],
            "vaults": [{"vaultIds": [sibling.vault_id], "environmentIds": []}, {"vaultIds": [], "environmentIds": []}],
            "environments": [{"environmentIds": []}, {"environmentIds": [own.environment_ids["production"]]}],
            "addresses": [{"allowedIps": []}, {"allowedIps": ["0.0.0.0/0"]}, {"allowedIps": ["127.0.0.0/7"]}],
            "days": [{"expiresInDays": 3}, {"expiresInDays": 365}],
        }

        def made(body: dict[str, Any]) -> int:
            return send(crowd.stack.api_url, Call("POST", "/v1/api-keys", (bearer(maker.token),), body)).status

        assert made(good) == 200
        assert {made(good | change) for change in more[limit]} == {403}

    def test_a_key_does_no_more_than_its_owner(self, crowd: Crowd) -> None:
        """A reader's key of every scope reads what a reader reads, and nothing else."""
        reader = crowd.callers["read"]
        body = {"name": "mine", "environment": "live", "scopes": ALL}
        with asking(crowd, reader) as ask:
            answer = ask("POST", "/v1/api-keys", body)
            assert answer.status == 200
            token = answer.json()["data"]["token"]
            for method, path, sent in probes(crowd):
                mine = ask(method, path, sent).status
                keys_own = ask.line.send(Call(method, path, (bearer(token),), sent)).status
                assert keys_own in {mine, 403}, (method, path)
