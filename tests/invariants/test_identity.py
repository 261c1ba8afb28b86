"""Numbers are identity, names are labels: nobody gains or keeps anything by a name, a spelling or an odd credential."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote

import jwt
import psycopg
import pytest
from keyway_standalone.processes import Stack
from oracle import keys, stage
from oracle.wire import Answer, Call, Header, bearer, send
from stack import sign_in

from tests.backend.ci.test_exchange import Workshop

GUARDED: Final = (
    ("POST", "/v1/auth/token/validate"),
    ("GET", "/v1/users/me"),
    ("GET", "/v1/vaults"),
    ("GET", "/v1/secrets/pull?repo={repo}&environment=development"),
    ("GET", "/v1/secrets/view?repo={repo}&environment=development&key=KEPT"),
    ("GET", "/v1/vaults/{repo}"),
    ("GET", "/v1/github/repo-ids?repo={repo}"),
)
GITHUB_TOKENS: Final = ("ghp_", "github_pat_", "gho_", "ghu_", "ghs_", "ghr_")
OUR_TOKENS: Final = ("kw_live_", "kw_test_", "kwci_", "kw_")


@pytest.fixture(scope="module")
def home(stack: Stack) -> stage.Home:
    """An administrator and a vault of which something is stored."""
    return stage.home(stack)


@pytest.fixture
def github(stack: Stack) -> stage.GitHub:
    """What a test does to GitHub's world."""
    return stage.GitHub(stack)


def ask_all(home: stage.Home, *headers: Header, query: str = "") -> set[int]:
    """The statuses of every guarded route with these headers."""
    statuses = set()
    for method, template in GUARDED:
        path = template.replace("{repo}", home.full_name)
        path += ("&" if "?" in path else "?") + query if query else ""
        statuses.add(send(home.base, Call(method, path, headers)).status)
    return statuses


class TestOddCredentials:
    def test_a_good_one_is_let_in(self, home: stage.Home) -> None:
        """Control: the same requests with the plain credential are all answered."""
        assert ask_all(home, bearer(home.token)) == {200}

    @pytest.mark.parametrize(
        "value",
        ["Bearer", "Bearer ", "Bearer  ", "", "Basic", "bearer: {token}", "Token {token}", "{token}", "Digest {token}",
         "Bearer {token} {token}", "Bearer {token},{token}", "Bearer {token}x", "Bearer x{token}", "Bearer null",
         "Bearer undefined", "Bearer ..", "Bearer a.b.c", "Bearer\u00a0{token}"],
    )  # fmt: skip
    def test_malformed_headers_are_401(self, home: stage.Home, value: str) -> None:
        """A header that is not exactly one bearer token is no credential, on every route."""
        assert ask_all(home, ("Authorization", value.replace("{token}", home.token))) == {401}

    def test_basic_is_401(self, home: stage.Home) -> None:
        """The right token as a Basic password is refused."""
        pair = base64.b64encode(f"x:{home.token}".encode()).decode()
        assert ask_all(home, ("Authorization", f"Basic {pair}")) == {401}

    def test_two_headers_are_401(self, home: stage.Home) -> None:
        """Two credentials are none, even when both are good: nobody is left to guess which one counted."""
        assert ask_all(home, bearer(home.token), bearer(home.token)) == {401}
        assert ask_all(home, bearer(home.token), ("authorization", "Basic eDp5")) == {401}

    def test_the_query_is_no_place_for_one(self, home: stage.Home) -> None:
        """A token in the query is not looked at, under any of its names."""
        for name in ("token", "access_token", "authorization", "keyway_session"):
            assert ask_all(home, query=f"{name}={home.token}") == {401}, name

    def test_a_bad_header_is_not_made_good_by_the_query(self, home: stage.Home) -> None:
        """A worthless header stays worthless beside a good token in the query."""
        assert ask_all(home, bearer("worthless"), query=f"token={home.token}") == {401}

    def test_two_cookies_of_one_name_are_401(self, home: stage.Home) -> None:
        """Two session cookies are refused, however good each of them is."""
        for name in ("keyway_session", "__Host-keyway_session"):
            assert ask_all(home, ("Cookie", f"{name}={home.token}; {name}={home.token}")) == {401}

    def test_64_kib_are_refused(self, home: stage.Home) -> None:
        """A credential of 64 KiB gets nobody in and breaks nothing."""
        assert ask_all(home, bearer("x" * 65_536)) <= {400, 401, 431}

    def test_tokens_of_other_kinds_are_401_and_go_nowhere(self, home: stage.Home, github: stage.GitHub) -> None:
        """What looks like a GitHub token or like a key of ours is refused, and GitHub is never asked about it."""
        before = github.calls()
        for prefix in (*GITHUB_TOKENS, *OUR_TOKENS):
            for length in (0, 36, 40, 82):
                assert ask_all(home, bearer(prefix + "A1b2" * (length // 4))) == {401}, prefix
        assert github.calls() == before


class TestForgedSessions:
    @pytest.fixture
    def forge(self, stack: Stack, home: stage.Home) -> Callable[..., str]:
        """Signs the administrator's claims again, changed; by default with the real secret."""
        claims = jwt.decode(home.token, options={"verify_signature": False})

        def sign(secret: str = stack.instance.jwt_secret, algorithm: str = "HS256", **changed: Any) -> str:
            merged = {name: value for name, value in (claims | changed).items() if value is not None}
            return jwt.encode(merged, secret, algorithm=algorithm)

        return sign

    def test_unchanged_claims_are_let_in(self, home: stage.Home, forge: Callable[..., str]) -> None:
        """Control: signed again without a change the token is good, so that each refusal below has one cause."""
        assert ask_all(home, bearer(forge())) == {200}

    @pytest.mark.parametrize(
        "changed",
        [
            {"exp": -1},
            {"exp": None},
            {"exp": "never"},
            {"iss": "somebody-else"},
            {"iss": None},
            {"sub": None},
            {"sid": None},
            {"sid": "not-a-uuid"},
            {"sid": "00000000-0000-7000-8000-000000000000"},
            {"nbf": 3600},
            {"iat": 3600},
        ],
        ids=str,
    )
    def test_changed_claims_are_401(self, home: stage.Home, forge: Callable[..., str], changed: dict[str, Any]) -> None:
        """Even with the right signature a session that ended, or never was, is refused."""
        now = int(time.time())  # numbers are seconds from now
        changed = {name: now + value if isinstance(value, int) else value for name, value in changed.items()}
        assert ask_all(home, bearer(forge(**changed))) == {401}

    def test_another_persons_session_id_is_401(self, stack: Stack, home: stage.Home, forge: Callable[..., str]) -> None:
        """A subject and the session of somebody else do not go together."""
        other = jwt.decode(stage.stranger(stack), options={"verify_signature": False})
        assert ask_all(home, bearer(forge(sid=other["sid"]))) == {401}

    def test_other_signatures_are_401(self, stack: Stack, home: stage.Home, forge: Callable[..., str]) -> None:
        """No other secret, no other algorithm and no missing signature is accepted."""
        head, body, signature = home.token.split(".")
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
        secret = stack.instance.jwt_secret
        tokens = [
            forge("another secret that is long enough for this algorithm, and then some more to be sure of it"),
            forge(secret, "HS384"),
            forge(secret, "HS512"),
            f"{none}.{body}.",
            f"{none}.{body}.{signature}",
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{signature[::-1]}",
        ]
        for token in tokens:
            assert ask_all(home, bearer(token)) == {401}, token[:40]


class TestBodyAndQuery:
    """A push is authorised on its body alone."""

    @pytest.fixture
    def elsewhere(self, stack: Stack) -> stage.Home:
        """A vault of another tenant."""
        return stage.home(stack, "elsewhere")

    def push(self, token: str, query: str, repository: str, environment: str) -> Answer:
        """A push whose query says one thing and whose body another."""
        body = {"repoFullName": repository, "environment": environment, "secrets": {"SMUGGLED": "1"}}
        return send(self.base, Call("POST", f"/v1/secrets/push?{query}", (bearer(token),), body))

    base: str

    @pytest.fixture(autouse=True)
    def _here(self, stack: Stack) -> None:
        self.base = stack.api_url

    def test_an_own_query_opens_no_foreign_body(self, home: stage.Home, elsewhere: stage.Home) -> None:
        """Naming one's own vault in the query does not help to write into a foreign one, and nothing is written."""
        before = elsewhere.state()
        for query in queries(home.full_name, "development"):
            assert self.push(home.token, query, elsewhere.full_name, "development").status == 403
        assert elsewhere.state() == before

    def test_a_foreign_query_is_not_read(self, home: stage.Home, elsewhere: stage.Home) -> None:
        """Naming a foreign vault in the query neither refuses nor redirects a push to one's own."""
        before = elsewhere.state()
        for query in queries(elsewhere.full_name, "production"):
            assert self.push(home.token, query, home.full_name, "development").status == 200
        assert elsewhere.state() == before
        assert home.values("development")["SMUGGLED"] == "1"

    def test_an_open_environment_in_the_query_opens_no_closed_one(self, home: stage.Home) -> None:
        """Who may write to development does not get into production by naming development beside it."""
        before = home.state()
        writer = home.with_role("write")
        for query in queries(home.full_name, "development"):
            assert self.push(writer, query, home.full_name, "production").status == 403
        assert home.state() == before


def queries(repository: str, environment: str) -> Iterator[str]:
    """The same two names under every name that a server might look at."""
    for repo in ("repo", "repoFullName"):
        yield f"{repo}={quote(repository)}&environment={environment}"
        yield f"{repo}={quote(repository)}&environment={environment}&{repo}={quote(repository)}"


def cyrillic(name: str) -> str:
    """The same name to the eye."""
    return name.translate({ord("a"): 0x430, ord("e"): 0x435, ord("o"): 0x43E, ord("p"): 0x440})


class TestSpellings:
    def test_case_is_githubs_not_ours(self, home: stage.Home) -> None:
        """GitHub's names have no case: another spelling reaches the same vault, and never makes a second one."""
        for name in (home.full_name.upper(), home.full_name.title()):
            assert home.get(f"/v1/vaults/{name}").json()["data"]["id"] == home.vault_id
            assert stage.pull(home.stack, home.token, name, "development") == home.values("development")
            assert home.post("/v1/vaults", {"repoFullName": name}).status == 409

    def test_case_opens_nothing(self, stack: Stack, home: stage.Home) -> None:
        """A stranger is refused under every spelling of the name."""
        stranger = bearer(stage.stranger(stack))
        for name in (home.full_name.upper(), home.full_name.title(), home.full_name):
            assert send(home.base, Call("GET", f"/v1/vaults/{name}", (stranger,))).status == 404

    @pytest.mark.parametrize(
        "change",
        [
            lambda owner, repo: f"{owner}/{repo}/..",
            lambda owner, repo: f"{owner}/../{owner}/{repo}",
            lambda owner, repo: f"./{owner}/{repo}",
            lambda owner, repo: f"{owner}%252f{repo}",
            lambda owner, repo: f"{owner}/%2e%2e/{owner}/{repo}",
            lambda owner, repo: f"{owner}/{repo}%00",
            lambda owner, repo: f"{owner}/{repo}%20",
            lambda owner, repo: f"%20{owner}/{repo}",
            lambda owner, repo: f"{owner}/{repo}.",
            lambda owner, repo: f"{owner}/{repo}.git",
            lambda owner, repo: f"{owner}/{repo};x",
            lambda owner, repo: f"{owner}/{repo}%0a",
            lambda owner, repo: f"{owner}/{repo}%23",
            lambda owner, repo: f"{owner}/{quote(cyrillic(repo))}",
            lambda owner, repo: f"{quote(''.join(chr(ord(char) + 0xFEE0) for char in owner))}/{repo}",
            lambda owner, repo: f"{owner}/{repo}%e2%80%8b",
            lambda owner, repo: f"{owner}/%ff{repo}",
            lambda owner, repo: f"{owner}\\{repo}",
        ],
    )  # fmt: skip
    def test_lookalikes_are_other_names(self, home: stage.Home, change: Callable[[str, str], str]) -> None:
        """A name that only resembles the vault's, or is a path, is missing: never the vault, never a failure."""
        name = change(*home.full_name.split("/"))
        assert home.get(f"/v1/vaults/{name}").status == 404
        answer = home.get(f"/v1/secrets/pull?repo={name}&environment=development")
        assert answer.status in {400, 403}
        answer = home.get(f"/v1/github/repo-ids?repo={name}")
        assert answer.status == 400 or answer.json()["data"] == {"ownerId": None, "repoId": None}

    def test_bodies_name_no_path(self, home: stage.Home) -> None:
        """A repository in a body is a name of two parts and nothing else."""
        owner, repo = home.full_name.split("/")
        whole = home.full_name
        for name in (f"{owner}/../{whole}", f"{owner}/..", f"../{repo}", f"./{whole}", f"{whole}/", f"//{repo}"):
            body = {"repoFullName": name, "environment": "development", "secrets": {"A": "1"}}
            assert home.post("/v1/secrets/push", body).status == 400, name
            assert home.post("/v1/vaults", {"repoFullName": name}).status == 400, name


class TestRecycledNames:
    """Every case has a vault of its own, whose names then change hands."""

    @pytest.fixture
    def own(self, stack: Stack) -> stage.Home:
        """A vault whose repository and people may be renamed."""
        return stage.home(stack, "moving")

    def test_a_renamed_person_keeps_the_role(self, own: stage.Home, github: stage.GitHub) -> None:
        """Who changes the login is still the same person, with the session of before."""
        login = own.login_with("read")
        token = sign_in(own.stack, login)
        github.do("rename-account", login=login, new=f"{login}-now")
        assert reads(own, token) == 200

    def test_whoever_takes_the_old_login_gets_nothing(self, own: stage.Home, github: stage.GitHub) -> None:
        """A new account under the former login of a writer has no role, though its login is the one that we stored."""
        login = own.login_with("write")
        former = sign_in(own.stack, login)
        assert reads(own, former) == 200
        github.do("rename-account", login=login, new=f"{login}-now")
        github.do("create-user", login=login)
        assert reads(own, sign_in(own.stack, login)) == 403
        assert reads(own, former) == 200

    def test_the_former_login_gives_no_role_to_its_former_owner(self, own: stage.Home, github: stage.GitHub) -> None:
        """A renamed stranger does not inherit what the new bearer of the login may do."""
        login = github.user("passing")
        former = sign_in(own.stack, login)
        github.do("rename-account", login=login, new=f"{login}-now")
        github.do("create-user", login=login)
        github.do("set-role", repo=own.full_name, login=login, role="admin")
        assert reads(own, former) == 403
        assert reads(own, sign_in(own.stack, login)) == 200

    def test_a_renamed_repository_is_found_under_its_new_name(self, own: stage.Home, github: stage.GitHub) -> None:
        """The vault follows the number: the new name reaches it, and so does the old one while GitHub redirects."""
        owner = own.full_name.split("/")[0]
        github.do("rename-repo", repo=own.full_name, name="renamed")
        assert own.get(f"/v1/vaults/{owner}/renamed").json()["data"]["id"] == own.vault_id
        assert reads(own, own.token, f"{owner}/renamed") == 200
        assert reads(own, own.token) == 200

    def test_what_is_bound_follows_the_repository_too(self, own: stage.Home, github: stage.GitHub) -> None:
        """An API key of one vault and a workflow's token, under the new name as under the old one; a name that leads
        elsewhere stays outside of what they are bound to."""
        owner = own.full_name.split("/")[0]
        github.repo(f"{owner}/other", {own.admin: "admin"})
        stage.create_vault(own.stack, own.token, f"{owner}/other")
        key = keys.give(own.stack, own.token, vaults=[own.vault_id]).token
        workflow = Workshop(own, github, own.base).issued()
        github.do("rename-repo", repo=own.full_name, name="renamed")
        for token in (workflow, key):
            assert reads(own, token, f"{owner}/renamed") == 200
            assert reads(own, token, own.full_name) == 200
            assert {reads(own, token, f"{owner}/{name}") for name in ("other", "nothing")} == {403}
        assert own.get(f"/v1/vaults/{owner}/renamed").json()["data"]["id"] == own.vault_id

    def test_what_is_bound_does_not_follow_the_name(self, own: stage.Home, github: stage.GitHub) -> None:
        """The old name is another repository's by now: outside, for a key and a workflow of the one that moved."""
        key = keys.give(own.stack, own.token, vaults=[own.vault_id]).token
        workflow = Workshop(own, github, own.base).issued()
        github.do("rename-repo", repo=own.full_name, name="moved-on")
        github.repo(own.full_name, {own.admin: "admin"})
        cold(own)
        assert {reads(own, token, own.full_name) for token in (key, workflow)} == {403}

    def test_a_new_repository_under_the_old_name_is_another(self, own: stage.Home, github: stage.GitHub) -> None:
        """Whoever gets the old name of a repository does not get its vault, not even as an administrator."""
        old, owner = own.full_name, own.full_name.split("/")[0]
        github.do("rename-repo", repo=old, name="moved-on")
        other = github.user("successor")
        github.repo(old, {other: "admin"})
        token = sign_in(own.stack, other)
        assert reads(own, token, old) == 403
        assert send(own.base, Call("GET", f"/v1/vaults/{old}", (bearer(token),))).status == 404
        assert reads(own, own.token, f"{owner}/moved-on") == 200

    def test_a_deleted_and_recreated_repository_reaches_nothing(self, own: stage.Home, github: stage.GitHub) -> None:
        """The same name with another number is another repository: nobody of either reaches the old vault by it."""
        github.do("delete-repo", repo=own.full_name)
        taker = github.user("taker")
        assert github.repo(own.full_name, {taker: "admin", own.admin: "admin"}) != own.repo_id
        cold(own)
        for token in (sign_in(own.stack, taker), own.token):
            assert reads(own, token) == 403

    def test_a_transferred_repository_leaves_its_people(self, own: stage.Home, github: stage.GitHub) -> None:
        """After a transfer to somebody who has the App the new owner gets in, and who is no collaborator does not."""
        buyer = github.user("buyer")
        github.do("install", login=buyer)
        github.do("transfer-repo", repo=own.full_name, owner=buyer)
        cold(own)
        name = f"{buyer}/{own.full_name.split('/')[1]}"
        assert reads(own, sign_in(own.stack, buyer), name) == 200
        assert reads(own, stage.stranger(own.stack), name) == 403

    def test_a_transfer_away_from_the_app_ends_access(self, own: stage.Home, github: stage.GitHub) -> None:
        """After a transfer to somebody without the App nobody gets in, neither by the old name nor by the new one."""
        buyer = github.user("buyer")
        github.do("transfer-repo", repo=own.full_name, owner=buyer)
        cold(own)
        taker = sign_in(own.stack, buyer)
        for name in (own.full_name, f"{buyer}/{own.full_name.split('/')[1]}"):
            assert reads(own, own.token, name) == 403
            assert reads(own, taker, name) == 403

    @pytest.mark.parametrize(("role", "writes"), [("auditor/read", 403), ("deployer/write", 200), ("owner/read", 403)])
    def test_custom_roles(self, own: stage.Home, github: stage.GitHub, role: str, writes: int) -> None:
        """A role of an organisation's own making counts as the base that GitHub states beside it, whatever its name."""
        login = github.user("custom")
        github.do("set-role", repo=own.full_name, login=login, role=role)
        token = sign_in(own.stack, login)
        assert reads(own, token) == 200
        assert stage.push(own.stack, token, own.full_name, "development", {"A": "1"}).status == writes


def reads(own: stage.Home, token: str, name: str = "") -> int:
    """How a pull under this name, by default the first one, is answered."""
    path = f"/v1/secrets/pull?repo={name or own.full_name}&environment=development"
    return send(own.base, Call("GET", path, (bearer(token),))).status


def cold(own: stage.Home) -> None:
    """What the backend remembers of roles on this repository is gone, as it is after a minute."""
    with psycopg.connect(own.stack.superuser_database_url) as connection:
        connection.execute("DELETE FROM role_cache WHERE github_repo_id = %s", [own.repo_id])
