"""Settings that stand in files: which counts for more, and what a stranger's clone may not decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from peer import Answer, listening, pulled
from person import Person


@pytest.fixture
def seen(alice: Person) -> Iterator[tuple[Person, Callable[..., str]]]:
    """What the server is asked for when somebody pulls: `owner/name environment`."""
    with listening(lambda _: pulled({"A": "1"})) as server:
        alice.at(server.url)

        def asked(*arguments: str, folder: Path | None = None, **variables: str) -> str:
            done = alice.keyway("run", *arguments, "--", "true", folder=folder, **variables)
            if done.code:
                return f"{done.code} {done.err}"
            query = parse_qs(urlsplit(server.requests[-1].path).query)
            return f"{query['repo'][0]} {query['environment'][0]}"

        yield alice, asked


def test_an_option_beats_a_variable_beats_the_repository_beats_the_person(
    seen: tuple[Person, Callable[..., str]],
) -> None:
    """-e, KEYWAY_ENVIRONMENT, keyway.toml, config.toml, development: each counts where those before it are silent."""
    alice, asked = seen
    assert asked() == "acme/app development"
    own = alice.home / ".config" / "keyway" / "config.toml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text('environment = "person"\n')
    assert asked() == "acme/app person"
    alice.write('environment = "file"\n', "keyway.toml")
    assert asked() == "acme/app file"
    assert asked(KEYWAY_ENVIRONMENT="variable") == "acme/app variable"
    assert asked("--environment", "option", KEYWAY_ENVIRONMENT="variable") == "acme/app option"


def test_keyway_toml_counts_for_folders_below_and_not_beyond_the_repository(
    seen: tuple[Person, Callable[..., str]],
) -> None:
    """Found from a sub-folder; one above the root of the work tree is somebody else's."""
    alice, asked = seen
    below = alice.clone / "packages" / "web"
    below.mkdir(parents=True)
    (alice.clone.parent / "keyway.toml").write_text('environment = "stranger"\n')
    assert asked(folder=below) == "acme/app development"
    alice.write('environment = "file"\n', "keyway.toml")
    assert asked(folder=below) == "acme/app file"


def test_a_clone_names_no_vault_of_another_owner(seen: tuple[Person, Callable[..., str]]) -> None:
    """Another repository of the same owner counts; of somebody else's it is exit 78 before the server is asked."""
    alice, asked = seen
    alice.write('vault = "acme/platform"\n', "keyway.toml")
    assert asked() == "acme/platform development"
    alice.write('vault = "victim/app"\n', "keyway.toml")
    assert asked().startswith("78 ")
    assert asked("--vault", "victim/app") == "victim/app development"


def test_a_clone_gets_no_token_for_its_server(alice: Person) -> None:
    """KEYWAY_TOKEN is not sent to a server that only keyway.toml names; a login at that server is."""
    with listening(lambda _: Answer(body={"data": {"username": "ann"}})) as server:
        alice.at(server.url)
        del alice.variables["KEYWAY_API_URL"]
        alice.write(f'api_url = "{server.url}"\n', "keyway.toml")
        done = alice.keyway("whoami")
        assert (done.code, server.requests) == (78, [])
        assert f"KEYWAY_API_URL={server.url}" in done.err
        assert alice.keyway("login", "--token", "--api-url", server.url, stdin=b"a-token").code == 0
        del alice.variables["KEYWAY_TOKEN"]
        assert alice.keyway("whoami").code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [("environment = ", "is not TOML"), ("token = 'x'", "token"), ("environment = 3", "must be a text")],
)
def test_a_settings_file_that_is_wrong_is_named(alice: Person, text: str, words: str) -> None:
    """Exit 78 with the file and what is wrong in it."""
    alice.at("http://127.0.0.1:9").write(text, "keyway.toml")
    done = alice.keyway("pull")
    assert done.code == 78
    assert "keyway.toml" in done.err
    assert words in done.err
