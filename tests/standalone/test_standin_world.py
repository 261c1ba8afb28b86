"""What the GitHub stand-in answers: as GitHub does, in a form that the library of the backend takes whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from githubkit import AppAuthStrategy, GitHub, TokenAuthStrategy
from keyway_standalone.github_standin.seeding import make_world
from keyway_standalone.github_standin.world import FIRST_ID
from keyway_standalone.processes import Stack
from keyway_standalone.state import APP_ID
from stack import TLS, running_stack, state_folder


@pytest.fixture(scope="module")
def standin() -> Iterator[Stack]:
    """The stand-in alone."""
    with running_stack(only={"github"}) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy(standin: Stack) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    standin.control.clear_faults()


def as_app(standin: Stack, prefix: str = "") -> GitHub[Any]:
    """The library, as the App."""
    strategy = AppAuthStrategy(APP_ID, standin.instance.app_private_key)
    return GitHub(strategy, base_url=standin.github_url + prefix, http_cache=False, auto_retry=False)


def as_installation(standin: Stack, prefix: str = "") -> GitHub[Any]:
    """The library, as the installation on the organisation."""
    app = as_app(standin, prefix)
    owner, name = standin.control.repo("private")["full_name"].split("/")
    number = app.rest.apps.get_repo_installation(owner, name).parsed_data.id
    return app.with_auth(app.auth.as_installation(number))


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_the_library_takes_every_answer_of_an_installation(standin: Stack, prefix: str) -> None:
    """Each answer validates against GitHub's published schema, on both addresses of the API."""
    github, app = as_installation(standin, prefix), as_app(standin, prefix)
    owner, name = standin.control.repo("private")["full_name"].split("/")
    teammate = standin.control.login("teammate")
    number = github.rest.repos.get(owner, name).parsed_data.id
    assert app.rest.apps.get_authenticated().parsed_data.id == APP_ID
    installation = app.rest.apps.get_org_installation(owner).parsed_data
    assert app.rest.apps.get_installation(installation.id).parsed_data.repository_selection == "selected"
    assert github.rest.repos.check_collaborator(owner, name, teammate).status_code == 204
    assert len(github.rest.repos.list_collaborators(owner, name).parsed_data) == 5
    assert github.rest.orgs.get(owner).parsed_data.id == installation.target_id
    assert github.rest.orgs.get_membership_for_user(owner, teammate).parsed_data.role == "member"
    assert len(github.rest.orgs.list_members(owner, role="admin").parsed_data) == 1
    held = github.rest.apps.list_repos_accessible_to_installation().parsed_data.repositories
    assert number in {repo.id for repo in held}
    level = github.rest.repos.get_collaborator_permission_level(owner, name, teammate).parsed_data
    assert level.user is not None
    assert github.rest.users.get_by_id(level.user.id).parsed_data.login == teammate
    assert min(number, installation.id, level.user.id) > FIRST_ID


def test_the_library_takes_every_answer_of_a_person(standin: Stack) -> None:
    """A person's token sees the person, the addresses, and the repositories with an explicit role."""
    login = standin.control.login("triager")
    token = standin.control.mint_user_token(login)
    github = GitHub(TokenAuthStrategy(token), base_url=standin.github_url, http_cache=False)
    assert github.rest.users.get_authenticated().parsed_data.login == login
    assert github.rest.users.list_emails_for_authenticated_user().parsed_data[0].verified
    (installation,) = github.rest.apps.list_installations_for_authenticated_user().parsed_data.installations
    listed = github.rest.apps.list_installation_repos_for_authenticated_user(installation.id).parsed_data
    assert listed.total_count == 2


@pytest.mark.parametrize(
    ("place", "person", "permission", "role_name", "collaborator"),
    [
        ("private", "stranger", "none", "none", 404),
        ("public", "stranger", "read", "read", 404),
        ("private", "removed", "none", "none", 404),
        ("private", "reader", "read", "read", 204),
        ("private", "triager", "read", "triage", 204),
        ("private", "teammate", "write", "write", 204),
        ("private", "maintainer", "write", "maintain", 204),
        ("private", "founder", "admin", "admin", 204),
    ],
)
def test_roles(standin: Stack, place: str, person: str, permission: str, role_name: str, collaborator: int) -> None:
    """Everybody reads a public repository without being a collaborator; a private one tells strangers "none"."""
    github = as_installation(standin)
    path = f"/repos/{standin.control.repo(place)['full_name']}/collaborators/{standin.control.login(person)}"
    level = github.request("GET", f"{path}/permission").json()
    assert (level["permission"], level["role_name"]) == (permission, role_name)
    assert level["user"]["id"] == standin.control.world()["cast"][person]
    with httpx.Client(verify=TLS, base_url=standin.github_url) as client:
        headers = github.request("GET", "/installation/repositories").raw_request.headers
        assert client.get(path, headers={"authorization": headers["authorization"]}).status_code == collaborator


def test_a_rename_redirects_until_the_name_is_taken(standin: Stack) -> None:
    """An old name leads to the same number by a 301; a new repository of that name takes it over."""
    control = standin.control
    owner = control.login("outsider")
    made = control.create_repo(f"{owner}/first")
    control.do("rename-repo", repo=f"{owner}/first", name="second")
    app = as_app(standin)
    installation = app.rest.apps.get_repo_installation(owner, "second").parsed_data
    github = app.with_auth(app.auth.as_installation(installation.id))
    moved = github.request("GET", f"/repos/{owner}/first")
    assert 301 in [step.status_code for step in moved.raw_response.history]
    assert moved.json()["id"] == made["id"]
    again = control.create_repo(f"{owner}/first")
    assert github.request("GET", f"/repos/{owner}/first").json()["id"] == again["id"] != made["id"]


def test_lists_come_in_pages(standin: Stack) -> None:
    """A Link header leads through all pages."""
    github = as_installation(standin)
    first = github.request("GET", "/installation/repositories", params={"per_page": 1})
    assert 'rel="next"' in first.headers["link"]
    following = github.request("GET", first.raw_response.links["next"]["url"])
    ids = [answer.json()["repositories"][0]["id"] for answer in (first, following)]
    assert len(set(ids)) == 2
    assert 'rel="next"' not in following.headers["link"]


def test_an_unchanged_answer_is_not_sent_again(standin: Stack) -> None:
    """Answers carry an ETag, rate figures and GitHub's cache lifetime; a match answers 304."""
    github = as_installation(standin)
    answer = github.request("GET", "/installation/repositories")
    assert int(answer.headers["x-ratelimit-remaining"]) < int(answer.headers["x-ratelimit-limit"])
    sent = {"authorization": answer.raw_request.headers["authorization"], "if-none-match": answer.headers["etag"]}
    assert httpx.get(f"{standin.github_url}/installation/repositories", headers=sent, verify=TLS).status_code == 304


class TestFaults:
    """Each scripted fault, at the call that it was set for."""

    url = "/_services/token/.well-known/jwks"

    def get(self, standin: Stack, timeout: float = 5) -> httpx.Response:
        """One call that needs no credential."""
        return httpx.get(standin.github_url + self.url, timeout=timeout, verify=TLS)

    def test_the_kth_call(self, standin: Stack) -> None:
        """Only the calls that were named meet the fault, and the list of calls says so."""
        standin.control.reset_calls()
        standin.control.fault("status", "GET /_services/token/*", call=2, times=2, status=503)
        assert [self.get(standin).status_code for _ in range(4)] == [200, 503, 503, 200]
        assert [call["fault"] for call in standin.control.calls()] == [None, "status", "status", None]
        assert standin.control.clear_faults() == [2]

    @pytest.mark.parametrize(
        ("kind", "failure"),
        [("hang", httpx.ReadTimeout), ("reset", httpx.ReadError), ("truncate", httpx.RemoteProtocolError)],
    )
    def test_broken_connections(self, standin: Stack, kind: str, failure: type[Exception]) -> None:
        """No answer, a reset, and half an answer each fail as they do in life; the call after it succeeds."""
        standin.control.fault(kind)
        with pytest.raises(failure):
            self.get(standin, timeout=0.5)
        assert self.get(standin).status_code == 200

    def test_wrong_answers(self, standin: Stack) -> None:
        """Rate limits, redirects, pages and other JSON come with the right headers."""
        answers = {}
        for kind in ("rate_limit", "secondary_limit", "redirect", "not_json", "wrong_shape"):
            standin.control.clear_faults()
            standin.control.fault(kind)
            answers[kind] = self.get(standin)
        assert (answers["rate_limit"].status_code, answers["rate_limit"].headers["x-ratelimit-remaining"]) == (403, "0")
        assert (answers["secondary_limit"].status_code, answers["secondary_limit"].headers["retry-after"]) == (
            403,
            "60",
        )
        assert answers["redirect"].headers["location"].startswith("https://elsewhere.example.test")
        assert answers["not_json"].text.startswith("<html>")
        assert "keys" not in answers["wrong_shape"].json()

    def test_delay(self, standin: Stack) -> None:
        """A delayed answer is the right one, late."""
        standin.control.fault("delay", seconds=0.3)
        started = time.monotonic()
        assert self.get(standin).json()["keys"]
        assert time.monotonic() - started >= 0.3


def test_seeds_make_worlds_that_share_nothing() -> None:
    """The same seed makes the same world, another one other people with other numbers."""
    one, same, other = make_world(1), make_world(1), make_world(2)
    assert one == same
    assert not set(one.users) & set(other.users)
    assert {user.login for user in one.users.values()} != {user.login for user in other.users.values()}


def test_world_and_tokens_survive_a_restart() -> None:
    """What changed, and who is signed in, is the same after a stop and a start of the same folder."""
    with state_folder() as folder:
        with Stack(folder, only={"github"}) as first:
            first.control.create_user("newcomer")
            token = first.control.mint_user_token("newcomer")
            before = first.control.world()
        with Stack(folder, only={"github"}) as second:
            assert second.control.world() == before
            answer = httpx.get(f"{second.github_url}/user", headers={"authorization": f"Bearer {token}"}, verify=TLS)
            assert answer.json()["login"] == "newcomer"
