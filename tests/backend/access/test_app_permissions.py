"""What works with each set of permissions of the App, and what the further ones buy (docs/github-app.md).

Everything here runs with all permissions that Keyway can use, with those that the public Keyway's App has, and with the
least. What a missing permission costs is named in the answer, and never lets anybody in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from keyway_standalone.processes import Stack
from permission_sets import FULL, SETS, Granted
from stack import sign_in

from tests.backend.known_people import People
from tests.oracle import keys, stage
from tests.oracle.stage import GitHub, Home
from tests.oracle.wire import Answer, Call, bearer, send

ROLES = ("read", "triage", "write", "maintain", "admin")
ENVIRONMENTS = ("development", "staging", "production")
# policy.yaml `matrix`, for the types of the environments that every vault begins with.
READS = {role: ENVIRONMENTS if role in {"write", "maintain", "admin"} else ENVIRONMENTS[:2] for role in ROLES}
WRITES = {"read": (), "triage": (), "write": ENVIRONMENTS[:2], "maintain": ENVIRONMENTS[:2], "admin": ENVIRONMENTS}
MISSING = "Members: read"


@pytest.fixture(scope="module")
def github(stack: Stack) -> GitHub:
    """The stand-in's world."""
    return GitHub(stack)


@pytest.fixture(scope="module", params=SETS, ids=lambda granted: granted.name)
def granted(request: pytest.FixtureRequest) -> Granted:
    """What the App may."""
    found: Granted = request.param
    return found


@pytest.fixture(scope="module")
def home(known: People, granted: Granted) -> Home:
    """A vault with something in every environment, on an organisation that granted this."""
    made = known.home("granted", granted=granted)
    for environment in ENVIRONMENTS:
        assert made.push({"A": "1"}, environment).status == 200
    return made


@pytest.fixture
def accounts(github: GitHub, granted: Granted) -> Iterator[None]:
    """The App may this on people's own accounts."""
    github.do("let-of-accounts", permissions=granted.of_accounts)
    yield
    github.do("let-of-accounts", permissions=FULL.of_accounts)


def as_(home: Home, token: str, method: str, path: str, body: object = None) -> Answer:
    """A request with a session."""
    return send(home.base, Call(method, path, (bearer(token),), body))


def pulled(home: Home, token: str, environment: str = "development") -> int:
    """The status of a pull."""
    return as_(home, token, "GET", f"/v1/secrets/pull?repo={home.full_name}&environment={environment}").status


def org_of(home: Home) -> str:
    """Whose repository it is."""
    return home.full_name.partition("/")[0]


class TestWorksWithEach:
    """What depends on no permission but Metadata."""

    @pytest.mark.parametrize("role", ROLES)
    def test_every_role_may_what_it_may(self, home: Home, known: People, role: str) -> None:
        """Reading and writing, as the matrix says."""
        _, token = known.with_role(home, role)
        assert tuple(name for name in ENVIRONMENTS if pulled(home, token, name) == 200) == READS[role]
        tried = {name: stage.push(home.stack, token, home.full_name, name, {"A": "1"}).status for name in ENVIRONMENTS}
        assert tuple(name for name, status in tried.items() if status == 200) == WRITES[role]
        assert set(tried.values()) <= {200, 403}

    def test_nobody_else_gets_in(self, home: Home, known: People, github: GitHub) -> None:
        """A stranger, and somebody who was removed, once what was remembered is over."""
        assert pulled(home, known.person("stranger")[1]) == 403
        login, token = known.with_role(home, "write", "removed")
        assert pulled(home, token) == 200
        github.do("set-role", repo=home.full_name, login=login, role=None)
        keys.sql(home.stack, "DELETE FROM role_cache WHERE github_repo_id = %s", home.repo_id)
        assert pulled(home, token) == 403

    @pytest.mark.parametrize("visibility", ["public", "internal"])
    def test_where_everybody_reads_only_the_invited_get_in(
        self, known: People, github: GitHub, granted: Granted, visibility: str
    ) -> None:
        """What GitHub says of everybody is no role."""
        open_one = known.home("open", granted=granted)
        github.do("set-visibility", repo=open_one.full_name, visibility=visibility)
        assert pulled(open_one, known.with_role(open_one, "read")[1]) == 200
        assert pulled(open_one, known.person("stranger")[1]) == 403

    def test_lists_and_pages_of_people(self, home: Home) -> None:
        """One's vaults and repositories, collaborators, contributors: found with Metadata alone."""
        reader = sign_in(home.stack, home.login_with("read"))
        keys.sql(home.stack, "DELETE FROM role_cache WHERE github_repo_id IN (0, %s)", home.repo_id)
        listed = as_(home, reader, "GET", "/v1/vaults").json()["data"]
        assert [one["id"] for one in listed] == [home.vault_id]
        reached = as_(home, reader, "GET", "/v1/github/repositories").json()["data"]
        assert [one["fullName"] for one in reached] == [home.full_name]
        for page in ("collaborators", "contributors"):
            assert home.get(f"/v1/vaults/{home.full_name}/{page}").status == 200

    def test_a_workflow_reads(self, home: Home, github: GitHub) -> None:
        """Runs prove themselves; no permission of the App is in it."""
        claims = {"aud": home.stack.api_url}
        token = github.do("oidc-token", repo=home.full_name, login=home.admin, claims=claims)["token"]
        body = {"token": token, "environment": "development"}
        answer = send(home.base, Call("POST", "/v1/auth/oidc/github", (), body))
        assert answer.status == 200, answer.body
        assert pulled(home, answer.json()["data"]["token"]) == 200

    def test_admins_manage(self, home: Home) -> None:
        """Overrides and rules for runs, by who is an admin of the repository."""
        body = {"environment": "staging", "targetType": "role", "targetRole": "triage"}
        path = f"/v1/vaults/{home.full_name}/permissions/overrides"
        made = home.post(path, body | {"canRead": True, "canWrite": False})
        assert made.status == 200, made.body
        removed = as_(home, home.token, "DELETE", f"{path}/{made.json()['data']['id']}")
        assert removed.status == 200, removed.body

    def test_the_app_that_is_gone_is_gone(self, known: People, github: GitHub, granted: Granted) -> None:
        """Events of the App itself need no permission and no subscription: nobody reads after it was taken away."""
        left = known.home("left", granted=granted)
        assert pulled(left, left.token) == 200
        done = github.do("uninstall", login=org_of(left), webhook=True)
        assert [one["status"] for one in done["deliveries"]] == [200]
        assert pulled(left, left.token) == 403


class TestBuys:
    """What a further permission buys, and what stands in its place."""

    def test_members_pages_of_organizations(self, home: Home, granted: Granted) -> None:
        """With it they are shown to members; without it they are refused, naming it."""
        path = f"/v1/orgs/{org_of(home)}"
        connected = home.post("/v1/orgs/connect", {"orgLogin": org_of(home)})
        answers = [connected, home.get(path), home.get(f"{path}/members"), home.post(f"{path}/members/sync", {})]
        if granted.members:
            assert [answer.status for answer in answers] == [200] * 4
        else:
            assert [answer.status for answer in answers] == [403] * 4
            assert all(MISSING in answer.detail for answer in answers)

    def test_members_a_vault_joins_its_organization(self, stack: Stack, granted: Granted) -> None:
        """Whoever makes a vault finds the organisation in the list, or an empty list."""
        joined = stage.home(stack, "joining", granted=granted)
        listed = joined.get("/v1/orgs")
        assert listed.status == 200
        assert [one["login"] for one in listed.json()["data"]] == ([org_of(joined)] if granted.members else [])

    def test_members_events_of_people(self, stack: Stack, known: People, github: GitHub, granted: Granted) -> None:
        """With it a removed person is out at once; without it nothing is heard, and the role ends with the cache."""
        told = known.home("told", granted=granted)
        login, token = known.with_role(told, "write")
        assert pulled(told, token) == 200
        done = github.do("set-role", repo=told.full_name, login=login, role=None, webhook=True)
        heard = [one["event"] for one in done["deliveries"]]
        assert heard == (["member"] if granted.members else [])
        assert pulled(told, token) == (403 if granted.members else 200)
        keys.sql(stack, "UPDATE role_cache SET expires_at = now() WHERE github_repo_id = %s", told.repo_id)
        assert pulled(told, token) == 403

    def test_subscribed_events_of_repositories(
        self, stack: Stack, known: People, github: GitHub, granted: Granted
    ) -> None:
        """A repository that is deleted: told at once to who subscribed, and noticed with the cache by who did not."""
        told = known.home("dropped", granted=granted)
        assert pulled(told, told.token) == 200
        done = github.do("delete-repo", repo=told.full_name, webhook=True)
        assert [one["event"] for one in done["deliveries"]] == [one for one in ("repository",) if one in granted.events]
        keys.sql(stack, "UPDATE role_cache SET expires_at = now() WHERE github_repo_id = %s", told.repo_id)
        assert pulled(told, told.token) == 403

    @pytest.mark.usefixtures("accounts")
    def test_email_an_address_for_mail(self, stack: Stack, github: GitHub, granted: Granted) -> None:
        """Of a person who shows none: known with it. Without it sign-in works, and there is none."""
        login = github.user("silent")
        token = sign_in(stack, login)
        answer = send(stack.api_url, Call("GET", "/v1/users/me", (bearer(token),)))
        assert answer.status == 200
        assert (answer.json()["data"]["email"] is not None) == ("email_addresses" in granted.permissions)
