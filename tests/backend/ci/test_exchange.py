"""Tokens of workflow runs: forty forged ones and two good ones (assurance.md N-07; policy.yaml `oidc`)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from keyway_standalone.processes import Stack
from oracle.report import Record
from stack import sign_in

from tests.backend.known_people import People
from tests.oracle import stage
from tests.oracle.keys import sql
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

FOREIGN: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Workshop:
    """A vault, and tokens of runs of its repository."""

    home: Home
    github: GitHub
    audience: str

    def token(self, **claims: Any) -> str:
        """A token of a run that was started by the administrator, with these claims changed."""
        changed = {"aud": self.audience} | claims
        made = self.github.do("oidc-token", repo=self.home.full_name, login=self.home.admin, claims=changed)
        return str(made["token"])

    def exchange(self, token: Any, environment: str = "development") -> Answer:
        """What comes for it."""
        body = {"token": token, "environment": environment}
        return send(self.home.base, Call("POST", "/v1/auth/oidc/github", (), body))

    def pull(self, token: str, environment: str = "development", name: str = "") -> Answer:
        """A pull with what came."""
        path = f"/v1/secrets/pull?repo={name or self.home.full_name}&environment={environment}"
        return send(self.home.base, Call("GET", path, (bearer(token),)))

    def issued(self, **claims: Any) -> str:
        """A token of ours for a good run."""
        answer = self.exchange(self.token(**claims))
        assert answer.status == 200, answer.body
        return str(answer.json()["data"]["token"])

    def rule(self, environment: str, **conditions: Any) -> Answer:
        """A rule, made by the administrator."""
        return self.home.post(f"/v1/vaults/{self.home.full_name}/oidc-rules", {"environment": environment} | conditions)


@pytest.fixture(scope="module")
def workshop(stack: Stack) -> Workshop:
    """A vault with one value in development."""
    home = stage.home(stack, "ci")
    github = GitHub(stack)
    told = jwt.decode(
        github.do("oidc-token", repo=home.full_name, login=home.admin, claims={})["token"],
        options={"verify_signature": False},
    )
    assert told["repository_id"] == str(home.repo_id)
    return Workshop(home, github, stack.api_url)


@pytest.fixture
def own(stack: Stack, known: People) -> Iterator[Workshop]:
    """A vault of the test's own."""
    github = GitHub(stack)
    yield Workshop(known.home("ci"), github, stack.api_url)
    github.do("clear-faults")


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    return dict(jwt.decode(token, options={"verify_signature": False}))


def joined(*parts: dict[str, Any], signature: str = "") -> str:
    """A token by hand."""
    pieces = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*pieces, signature])


def issuer_key(workshop: Workshop) -> tuple[str, bytes]:
    """The name of the issuer's key, and the key as anybody may read it."""
    issuer = claims_of(workshop.token())["iss"]
    listed = httpx.get(f"{issuer}/.well-known/jwks").json()["keys"]
    public = jwt.PyJWK(listed[0]).key
    return listed[0]["kid"], public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def hmac_with_the_public_key(workshop: Workshop) -> str:
    """HS256 with what everybody knows as the secret; the library that signs refuses to, so it is done by hand."""
    kid, public = issuer_key(workshop)
    unsigned = joined({"alg": "HS256", "typ": "JWT", "kid": kid}, claims_of(workshop.token()))
    digest = hmac.digest(public, unsigned.rstrip(".").encode(), hashlib.sha256)
    return unsigned + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def foreign(workshop: Workshop, **headers: Any) -> str:
    """Good claims, signed by somebody else."""
    return jwt.encode(claims_of(workshop.token()), FOREIGN, algorithm="RS256", headers=headers)


def unsigned(workshop: Workshop) -> str:
    """alg none."""
    return joined({"alg": "none", "typ": "JWT", "kid": issuer_key(workshop)[0]}, claims_of(workshop.token()))


def embedded(workshop: Workshop) -> str:
    """A token that brings its own key along."""
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(FOREIGN.public_key()))
    return foreign(workshop, jwk=key, kid="standin-1")


def replayed(workshop: Workshop) -> str:
    """A token that was exchanged before."""
    token = workshop.token()
    assert workshop.exchange(token).status == 200
    return token


NOW: Final = int(time.time())
# What is no proof: 401.
NO_PROOF: Final[dict[str, Callable[[Workshop], Any]]] = {
    "nothing": lambda _: "",
    "no JWT": lambda _: "a.b.c",
    "of another kind": lambda _: 7,
    "alg none": unsigned,
    "alg nOnE": lambda w: joined({"alg": "nOnE", "typ": "JWT", "kid": "standin-1"}, claims_of(w.token())),
    "HS256 with the public key": hmac_with_the_public_key,
    "signed by somebody else": lambda w: foreign(w, kid="standin-1"),
    "unknown kid": lambda w: foreign(w, kid="other"),
    "no kid": foreign,
    "kid is a path": lambda w: foreign(w, kid="../../../dev/null"),
    "kid is an address": lambda w: foreign(w, kid="https://evil.example/jwks"),
    "jku": lambda w: foreign(w, kid="standin-1", jku="https://evil.example/jwks"),
    "x5u": lambda w: foreign(w, kid="standin-1", x5u="https://evil.example/cert"),
    "embedded key": embedded,
    "wrong issuer": lambda w: w.token(iss="https://token.actions.githubusercontent.com"),
    "issuer with a slash": lambda w: w.token(iss=claims_of(w.token())["iss"] + "/"),
    "wrong audience": lambda w: w.token(aud="https://github.com/acme"),
    "audience is a list": lambda w: w.token(aud=[w.audience]),
    "audience is missing": lambda w: w.token(aud=None),
    "expired": lambda w: w.token(exp=NOW - 3600),
    "not yet valid": lambda w: w.token(nbf=NOW + 3600),
    "issued in the future": lambda w: w.token(iat=NOW + 3600),
    "without an end": lambda w: w.token(exp=None),
    "without jti": lambda w: w.token(jti=None),
    "without an actor": lambda w: w.token(actor_id=None),
    "odd repository_id": lambda w: w.token(repository_id="7; DROP TABLE vaults"),
    "a number for a text": lambda w: w.token(repository_id=7),
    "replayed": replayed,
}
# Good proof of a run that may not: 403, one body.
NOT_ALLOWED: Final[dict[str, dict[str, Any]]] = {
    "another repository of the same name": {"repository_id": "999999999"},
    "a recycled owner": {"repository_owner_id": "999999999"},
    "pull_request_target": {"event_name": "pull_request_target"},
    "pull_request of a fork": {"event_name": "pull_request", "ref": "refs/pull/1/merge"},
    "workflow_run": {"event_name": "workflow_run"},
    "issue_comment": {"event_name": "issue_comment"},
    "another branch": {"ref": "refs/heads/feature"},
    "a tag called like the branch": {"ref": "refs/tags/main", "ref_type": "tag"},
    "a branch called like a tag": {"ref": "refs/heads/refs/tags/main"},
    "a branch that says to be a tag": {"ref_type": "tag"},
    "a ref without its prefix": {"ref": "main"},
    "an event of no list": {"event_name": "merge_group"},
}


class TestRefused:
    """Forty tokens, and what becomes of refused ones."""

    def test_all_of_them_once_more(self, workshop: Workshop, record_property: Record) -> None:
        """None was lost, none of them gives a token or leaves a row of one; then the figure."""
        count = "SELECT count(*) FROM ci_tokens WHERE vault_id = %s"
        tokens = [make(workshop) for make in NO_PROOF.values()]
        tokens += [workshop.token(**claims) for claims in NOT_ALLOWED.values()]
        before = sql(workshop.home.stack, count, workshop.home.vault_id)
        statuses = [workshop.exchange(token).status for token in tokens]
        assert sql(workshop.home.stack, count, workshop.home.vault_id) == before
        assert (len(tokens), sum(status < 400 for status in statuses), max(statuses)) == (40, 0, 403)
        record_property("forged OIDC tokens (N-07)", f"{len(tokens)} tried, {sum(s < 400 for s in statuses)} accepted")

    def test_a_token_that_many_exchange_at_once(self, workshop: Workshop) -> None:
        """Its `jti` is good for one of them."""
        token = workshop.token()
        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda _: workshop.exchange(token).status, range(20)))
        assert sorted(statuses) == [200] + [401] * 19

    def test_a_second_token_of_the_same_name(self, workshop: Workshop) -> None:
        """Another token with the `jti` of a used one."""
        first = workshop.token(jti="one-and-only")
        assert workshop.exchange(first).status == 200
        assert workshop.exchange(workshop.token(jti="one-and-only", run_id="2", iat=NOW - 5)).status == 401

    @pytest.mark.parametrize("name", NO_PROOF)
    def test_no_proof(self, workshop: Workshop, name: str) -> None:
        """401, whatever is wrong with it."""
        answer = workshop.exchange(NO_PROOF[name](workshop))
        assert (answer.status, b"kwci_" in answer.body) == (401, False)

    @pytest.mark.parametrize("name", NOT_ALLOWED)
    def test_a_run_that_may_not(self, workshop: Workshop, name: str) -> None:
        """403, with the body of a repository without a vault."""
        answer = workshop.exchange(workshop.token(**NOT_ALLOWED[name]))
        unknown = workshop.exchange(workshop.token(repository="nobody/nothing", repository_id="123456789"))
        assert (answer.status, unknown.status) == (403, 403)
        assert answer.comparable() == unknown.comparable()

    @pytest.mark.parametrize("environment", ["production", "nowhere"])
    def test_an_environment_that_needs_a_rule_or_is_not_there(self, workshop: Workshop, environment: str) -> None:
        """Protected without a rule, and missing: the same 403."""
        assert workshop.exchange(workshop.token(), environment).status == 403

    @pytest.mark.parametrize(
        "body", [{}, {"environment": "development"}, {"token": None, "environment": "development"}]
    )
    def test_without_a_token(self, workshop: Workshop, body: dict[str, Any]) -> None:
        """A missing credential, before anything else is judged."""
        assert send(workshop.home.base, Call("POST", "/v1/auth/oidc/github", (), body)).status == 401

    def test_an_unknown_field(self, workshop: Workshop) -> None:
        """On a route of our own it is a mistake."""
        body = {"token": workshop.token(), "environment": "development", "repo": "acme/app"}
        assert send(workshop.home.base, Call("POST", "/v1/auth/oidc/github", (), body)).status == 400

    def test_an_app_that_is_gone(self, own: Workshop) -> None:
        """No active installation, no token."""
        own.github.do("uninstall", login=own.home.full_name.split("/", maxsplit=1)[0])
        sql(own.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.home.repo_id)
        assert own.exchange(own.token()).status == 403

    def test_silence_of_github_is_503_and_uses_nothing_up(self, own: Workshop) -> None:
        """The same token is good afterwards."""
        token = own.token()
        own.github.do("fault", kind="status", status=502, pattern="GET /repos/*", times=50)
        assert own.exchange(token).status == 503
        own.github.do("clear-faults")
        assert own.exchange(token).status == 200


class TestAccepted:
    """The two legal ones, and what they are good for."""

    @pytest.mark.parametrize("immutable", [False, True])
    def test_both_shapes_of_the_subject(self, workshop: Workshop, immutable: bool) -> None:  # noqa: FBT001 - a table
        """The old one and the immutable one: the subject never decides."""
        home = workshop.home
        numbered = f"repo:{home.full_name.replace('/', f'@{home.owner_id}/')}@{home.repo_id}:ref:refs/heads/main"
        token = workshop.issued(**({"sub": numbered} if immutable else {}))
        answer = workshop.pull(token)
        assert (answer.status, b"KEPT" in answer.body) == (200, True)

    def test_it_reads_one_environment_and_does_nothing_else(self, workshop: Workshop) -> None:
        """Another environment, another vault, a push, a list."""
        token, home = workshop.issued(), workshop.home
        assert workshop.pull(token, "staging").status == 403
        assert workshop.pull(token, "nowhere").status == 403
        assert workshop.pull(token, name="nobody/nothing").status == 403
        assert stage.push(home.stack, token, home.full_name, "development", {"A": "1"}).status == 403
        for path in ("/v1/vaults", f"/v1/vaults/{home.full_name}", f"/v1/vaults/{home.full_name}/oidc-rules"):
            assert send(home.base, Call("GET", path, (bearer(token),))).status == 403

    def test_the_issue_is_recorded(self, own: Workshop) -> None:
        """With the run, and without the token."""
        token = own.issued(run_id="4711")
        [(details, login)] = sql(
            own.home.stack,
            "SELECT details, actor_login FROM audit_events WHERE action = 'ci_token_issued' AND vault_id = %s",
            own.home.vault_id,
        )
        assert (details["runId"], details["actor"], login) == ("4711", own.home.admin, "github-actions")
        assert token not in json.dumps(details)


class TestEveryUse:
    """What is checked again whenever a token is used."""

    def test_a_token_of_nobody(self, workshop: Workshop) -> None:
        """Unknown, malformed."""
        good = workshop.issued()
        for token in (good[:-1] + ("A" if good[-1] != "A" else "B"), good + "A", "kwci_", "kwci_" + "x" * 43):
            assert workshop.pull(token).status == 401

    def test_expired_revoked_or_forged(self, own: Workshop) -> None:
        """The row says that it is over, or somebody else wrote it."""
        for change in (
            "UPDATE ci_tokens SET expires_at = now() - interval '1 second' WHERE vault_id = %s",
            "UPDATE ci_tokens SET revoked_at = now() WHERE vault_id = %s",
            "UPDATE ci_tokens SET expires_at = expires_at + interval '1 hour' WHERE vault_id = %s",
        ):
            token = own.issued()
            assert own.pull(token).status == 200
            sql(own.home.stack, change, own.home.vault_id)
            assert own.pull(token).status == 401

    def test_a_forged_environment(self, own: Workshop) -> None:
        """A token that was moved to production in the database."""
        token = own.issued()
        sql(
            own.home.stack,
            """UPDATE ci_tokens SET environment_id = (
                   SELECT id FROM environments WHERE vault_id = ci_tokens.vault_id AND name = 'production')
               WHERE vault_id = %s""",
            own.home.vault_id,
        )
        assert own.pull(token, "production").status == 401

    def test_who_started_the_run_was_removed(self, own: Workshop) -> None:
        """A person who had a role at the exchange must still have one."""
        login = own.home.login_with("write")
        sign_in(own.home.stack, login)
        made = own.github.do("oidc-token", repo=own.home.full_name, login=login, claims={"aud": own.audience})
        token = own.exchange(made["token"]).json()["data"]["token"]
        assert own.pull(token).status == 200
        own.github.do("set-role", repo=own.home.full_name, login=login, role=None)
        sql(own.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.home.repo_id)
        assert own.pull(token).status == 403

    def test_who_never_had_a_role_does_not_matter(self, own: Workshop) -> None:
        """A schedule that a person left behind: the repository counts."""
        login = own.github.user("gone")
        made = own.github.do("oidc-token", repo=own.home.full_name, login=login, claims={"aud": own.audience})
        token = own.exchange(made["token"]).json()["data"]["token"]
        sql(own.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.home.repo_id)
        assert own.pull(token).status == 200

    def test_the_repository_went_to_another_owner(self, own: Workshop) -> None:
        """Its number is the same, its owner's is not."""
        token = own.issued()
        admin = own.github.user("taker")
        org, _ = own.github.org("takers", admin)
        own.github.do("install", login=org)
        own.github.do("transfer-repo", repo=own.home.full_name, owner=org)
        sql(own.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.home.repo_id)
        assert own.pull(token).status == 403

    def test_the_app_was_suspended(self, own: Workshop) -> None:
        """No active installation."""
        token = own.issued()
        own.github.do("suspend", login=own.home.full_name.split("/", maxsplit=1)[0])
        sql(own.home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", own.home.repo_id)
        assert own.pull(token).status in {403, 503}
        assert own.pull(token).status == 403

    def test_the_environment_became_protected_or_got_a_rule(self, own: Workshop) -> None:
        """What was allowed without a rule no longer is."""
        token = own.issued()
        assert own.rule("development", events=["push"], refs=["refs/heads/release"]).status == 201
        assert own.pull(token).status == 403
