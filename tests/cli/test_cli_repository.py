"""Which repository is meant, read from git, and only from the GitHub that the server belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest
from keyway_cli.repo import Remote, accepted_hosts, host_of, parse_remote
from peer import listening, pulled
from person import Person

ACCEPTED = {
    "https://github.com/acme/app": "github.com",
    "https://github.com/acme/app.git": "github.com",
    "https://github.com/acme/app/": "github.com",
    "https://GitHub.com/acme/app.git": "github.com",
    "https://someone:token@github.com/acme/app.git": "github.com",
    "http://127.0.0.1:8123/acme/app.git": "127.0.0.1",
    "git@github.com:acme/app.git": "github.com",
    "github.com:acme/app": "github.com",
    "git@ghe.example.com:acme/app.git": "ghe.example.com",
    "ssh://git@github.com/acme/app.git": "github.com",
    "ssh://git@ssh.github.com:443/acme/app.git": "ssh.github.com",
    "ssh://git@ghe.example.com:2222/acme/app.git": "ghe.example.com",
    "git+ssh://git@github.com/acme/app": "github.com",
    "git://github.com/acme/app.git": "github.com",
    "https://[::1]:8080/acme/app.git": "[::1]",
    "org-12345@github.com:acme/app.git": "github.com",
}
REFUSED = [
    "",
    "/srv/git/acme/app.git",
    "../acme/app",
    "file:///srv/acme/app.git",
    "https://github.com/acme",
    "https://github.com/acme/app/tree/main",
    "https://github.com/../app",
    "https://github.com/acme/app?x=1",
    "git@github.com:app.git",
    "https:///acme/app",
    "https://github.com/acme/a b",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_names_no_repository(address: str) -> None:
    """Local paths, deeper paths, queries and missing parts are no repository on a host."""
    assert parse_remote(address) is None


@pytest.mark.parametrize(("address", "host"), ACCEPTED.items())
def test_an_address_of_a_repository(address: str, host: str) -> None:
    """Every form that git understands, with users, ports, and .git or not."""
    assert parse_remote(address) == Remote(host, "acme/app")


@pytest.mark.parametrize("name", ["app.git", "my.app", ".github", "a_b-c"])
def test_names_with_dots(name: str) -> None:
    """Only one `.git` is an ending."""
    assert parse_remote(f"https://github.com/acme/{name}.git") == Remote("github.com", f"acme/{name}")


@pytest.mark.parametrize(
    ("variable", "learnt", "hosts"),
    [
        ("", "", {"github.com", "ssh.github.com"}),
        ("https://ghe.example.com", "", {"ghe.example.com", "ssh.ghe.example.com"}),
        ("https://ghe.example.com", "https://github.com", {"ghe.example.com", "ssh.ghe.example.com"}),
        ("", "https://ghe.example.com", {"ghe.example.com", "ssh.ghe.example.com"}),
        ("http://127.0.0.1:9", "", {"127.0.0.1", "ssh.127.0.0.1"}),
        ("", "http://127.0.0.1:9", {"127.0.0.1", "ssh.127.0.0.1", "github.com", "ssh.github.com"}),
    ],
)
def test_whose_repositories_are_meant(variable: str, learnt: str, hosts: set[str]) -> None:
    """The variable wins over what the sign-in showed, and github.com is not trusted beside an enterprise host."""
    assert accepted_hosts(variable, learnt) == hosts


def test_the_host_of_an_address() -> None:
    """Without user and port; nothing for what is no http address."""
    assert host_of("https://u@GHE.example.com:8443/x") == "ghe.example.com"
    assert host_of("ssh://example.com") == ""


def asked_for(person: Person, folder: Path | None = None, **variables: str) -> str:
    """The repository that a pull asks the server for, or the error."""
    with listening(lambda _: pulled({"A": "1"})) as server:
        done = person.at(server.url).keyway("run", "--", "true", folder=folder, **variables)
        return (
            server.requests[0].path.split("repo=")[1].split("&")[0].replace("%2F", "/") if server.requests else done.err
        )


def test_another_host_is_refused_and_named_without_its_credential(alice: Person) -> None:
    """A clone from a stranger's host is not handed the secrets of the repository that is called the same on GitHub."""
    alice.git("remote", "set-url", "origin", "https://x-access-token:secret-word@evil.example.com/acme/app.git")
    error = asked_for(alice)
    assert "the remote origin is on evil.example.com, not on github.com" in error
    assert "KEYWAY_GITHUB_URL=https://evil.example.com" in error
    assert "secret-word" not in error


def test_an_enterprise_host_is_accepted_when_it_is_ours(alice: Person) -> None:
    """KEYWAY_GITHUB_URL names it."""
    alice.git("remote", "set-url", "origin", "git@ghe.example.com:Acme/Web.git")
    assert asked_for(alice, KEYWAY_GITHUB_URL="https://ghe.example.com") == "Acme/Web"


def test_sub_folders_and_work_trees(alice: Person, tmp_path: Path) -> None:
    """git is asked from wherever we are."""
    deep = alice.clone / "a" / "b"
    deep.mkdir(parents=True)
    assert asked_for(alice, folder=deep) == "acme/app"
    alice.git("commit", "--allow-empty", "-qm", "x")
    tree = tmp_path / "tree"
    alice.git("worktree", "add", "-q", str(tree))
    assert asked_for(alice, folder=tree) == "acme/app"


def test_instead_of_rules_are_git_s_own(alice: Person) -> None:
    """url.<base>.insteadOf is resolved by git."""
    alice.git("remote", "set-url", "origin", "gh:acme/web")
    alice.git("config", "url.https://github.com/.insteadOf", "gh:")
    assert asked_for(alice) == "acme/web"


def test_a_repository_can_be_named(alice: Person, tmp_path: Path) -> None:
    """-r wins over KEYWAY_REPOSITORY, which wins over git; neither needs git."""
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert asked_for(alice, nowhere, KEYWAY_REPOSITORY="acme/other", PATH="") == "acme/other"
    with listening(lambda _: pulled({"A": "1"})) as server:
        alice.at(server.url).keyway("pull", "-r", "acme/third", KEYWAY_REPOSITORY="acme/other")
        assert "repo=acme%2Fthird" in server.requests[0].path


@pytest.mark.parametrize("name", ["acme", "acme/app/x", "../x", "acme/.."])
def test_a_bad_repository_is_refused(alice: Person, name: str) -> None:
    """-r wants owner/name."""
    done = alice.at("http://127.0.0.1:9").keyway("pull", "-r", name)
    assert done.code == 2
    assert "owner/name" in done.err


def test_what_is_missing_is_said(alice: Person, tmp_path: Path) -> None:
    """No repository, no origin, a local origin, no git: each with what to do."""
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert "not in a git repository" in asked_for(alice, nowhere)
    alice.git("remote", "set-url", "origin", "/srv/app.git")
    assert "not an address of a GitHub repository" in asked_for(alice)
    alice.git("remote", "remove", "origin")
    error = asked_for(alice)
    assert "no remote called origin" in error
    assert "-r owner/name" in error
    assert "git is not installed" in asked_for(alice, PATH="")
