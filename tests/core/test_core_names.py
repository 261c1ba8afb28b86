"""How keys, environments and repositories may be called (policy.yaml `limits`)."""

from __future__ import annotations

import pytest
from keyway_core import limits
from keyway_core.names import (
    NEW_VAULT_ENVIRONMENTS,
    is_environment,
    is_key,
    is_refused_key,
    is_repository,
    is_warned_key,
    unstorable,
)


@pytest.mark.parametrize(
    "name", ["", "1A", "A-B", "A.B", "A B", "A=B", "A\n", "\nA", "Ä", "A\u200b", "A\0", "A" * 257, "$A", "A\uff11"]
)
def test_what_is_no_key(name: str) -> None:
    """Nothing but letters, digits and underscores of ASCII, and never more than 256 of them."""
    assert not is_key(name)


@pytest.mark.parametrize("name", ["A", "_", "a1", "__proto__", "A" * limits.KEY_LENGTH])
def test_what_is_a_key(name: str) -> None:
    """Both cases, underscores anywhere, digits after the first character."""
    assert is_key(name)


@pytest.mark.parametrize(
    "name", ["PATH", "LD_PRELOAD", "LD_", "BASH_ENV", "ENV", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT"]
)
def test_keys_that_would_change_how_programs_start_are_refused(name: str) -> None:
    """The refused list of policy.yaml, in exact case."""
    assert is_refused_key(name)
    assert not is_refused_key(name.lower())


@pytest.mark.parametrize("name", ["PATHS", "MY_PATH", "LDAP_URL", "ENVIRONMENT", "GITHUB_TOKEN", "OLD_VALUE"])
def test_keys_that_only_look_alike_are_not_refused(name: str) -> None:
    """A longer or different name is an ordinary key."""
    assert not is_refused_key(name)


@pytest.mark.parametrize(
    "name", ["NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS"]
)
def test_keys_that_change_an_interpreter_deserve_a_warning(name: str) -> None:
    """They are legal, and they are not on the refused list."""
    assert is_warned_key(name)
    assert not is_refused_key(name)
    assert not is_warned_key(name + "_X")


@pytest.mark.parametrize("name", ["", "d", "Dev", "1dev", "de v", "dev.local", "a" * 31, "dev\n", "-dev", "dév"])
def test_what_is_no_environment(name: str) -> None:
    """Lower case, two to thirty characters, a letter first."""
    assert not is_environment(name)


@pytest.mark.parametrize("name", [*NEW_VAULT_ENVIRONMENTS, "qa", "pr-12", "eu_west", "a" * 30])
def test_what_is_an_environment(name: str) -> None:
    """What a new vault starts with is legal, and so are dashes and underscores."""
    assert is_environment(name)


@pytest.mark.parametrize(
    "name", ["", "a", "a/", "/b", "a/b/c", "../b", "a/..", "./b", "a b/c", "a/b\n", "a" * 101 + "/b", "é/b"]
)
def test_what_is_no_repository(name: str) -> None:
    """Exactly one slash, two names, and neither of them a step in a path."""
    assert not is_repository(name)


@pytest.mark.parametrize("name", ["acme/app", "a/b", "acme-co/app.web_2", "a/.github", "a/..."])
def test_what_is_a_repository(name: str) -> None:
    """Owner, slash, name."""
    assert is_repository(name)


@pytest.mark.parametrize(
    ("value", "reason"), [("a\0", "NUL"), ("\ud800", "a lone surrogate"), ("x\udfff", "a lone surrogate")]
)
def test_what_cannot_be_stored(value: str, reason: str) -> None:
    """NUL and lone surrogates, by name."""
    assert unstorable(value) == reason


@pytest.mark.parametrize("value", ["", "\ufffd", "😀", "\r\n\t\x1b", "x" * 70_000])
def test_what_can_be_stored(value: str) -> None:
    """Every other text; its length is judged elsewhere."""
    assert unstorable(value) is None
