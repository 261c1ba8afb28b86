"""A bad configuration is named by its variable, and its value is never repeated."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import pytest
from crypto_process import new_key, variables
from keyway_crypto.settings import Settings, SettingsError, read

KEY, OTHER = new_key(), new_key()
PATTERN = "0123456789abcdef" * 4


def refused(environ: dict[str, str]) -> str:
    """The one line that a start would print."""
    with pytest.raises(SettingsError) as caught:
        read(environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


def assert_silent(message: str, *texts: str) -> None:
    """No text, and no run of 12 characters of one, is in the message."""
    for text in texts:
        assert not any(text[start : start + 12] in message for start in range(max(1, len(text) - 11)))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": KEY[:-1]}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": KEY + "0"}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": "z" + KEY[1:]}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": f"1:{KEY}"}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": KEY, "ENCRYPTION_KEYS": f"1:{OTHER}"}, "ENCRYPTION_KEYS"),
        ({"ENCRYPTION_KEYS": KEY}, "ENCRYPTION_KEYS: entry 1"),
        ({"ENCRYPTION_KEYS": f"{KEY}:1"}, "ENCRYPTION_KEYS: entry 1"),
        ({"ENCRYPTION_KEYS": f"1:{KEY},{OTHER}"}, "ENCRYPTION_KEYS: entry 2"),
        ({"ENCRYPTION_KEYS": f"1:{KEY},"}, "ENCRYPTION_KEYS: entry 2"),
        ({"ENCRYPTION_KEYS": f"0:{KEY}"}, "ENCRYPTION_KEYS: entry 1"),
        ({"ENCRYPTION_KEYS": f"65536:{KEY}"}, "ENCRYPTION_KEYS: entry 1"),
        ({"ENCRYPTION_KEYS": f"1:{KEY},1:{OTHER}"}, "ENCRYPTION_KEYS: entry 2"),
        ({"ENCRYPTION_KEYS": f"1:{KEY},2:{KEY.upper()}"}, "ENCRYPTION_KEYS: entry 2"),
        ({"ENCRYPTION_KEYS": f"1:{KEY}", "ENCRYPTION_KEY_ACTIVE": "2"}, "ENCRYPTION_KEY_ACTIVE"),
        ({"ENCRYPTION_KEYS": f"1:{KEY}", "ENCRYPTION_KEY_ACTIVE": OTHER}, "ENCRYPTION_KEY_ACTIVE"),
        ({"ENCRYPTION_KEY": "0" * 64}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": "a5" * 32}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": PATTERN}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEY": bytes(range(32)).hex()}, "ENCRYPTION_KEY"),
        ({"ENCRYPTION_KEYS": f"1:{KEY},2:{'f' * 64}"}, "ENCRYPTION_KEYS: entry 2"),
        ({"ENCRYPTION_KEY": KEY, "GRPC_PORT": "fifty"}, "GRPC_PORT"),
        ({"ENCRYPTION_KEY": KEY, "GRPC_PORT": "65536"}, "GRPC_PORT"),
        ({"ENCRYPTION_KEY": KEY, "CRYPTO_VALUES_PER_MINUTE": "0"}, "CRYPTO_VALUES_PER_MINUTE"),
        ({"ENCRYPTION_KEY": KEY, "LOG_LEVEL": "chatty"}, "LOG_LEVEL"),
        ({"ENCRYPTION_KEY": KEY, "CRYPTO_TLS_CERT_PATH": ""}, "CRYPTO_TLS_CERT_PATH"),
        ({"ENCRYPTION_KEY": KEY, "CRYPTO_TLS_KEY_PATH": "/nowhere"}, "CRYPTO_TLS_KEY_PATH"),
    ],
)
def test_a_problem_names_its_variable_and_no_value(given: dict[str, str], named: str, certificates: Path) -> None:
    """Also when the key stands where a version belongs, or the prefix was forgotten."""
    message = refused(variables(certificates) | given)
    assert named in message
    assert_silent(message, KEY, OTHER, KEY.upper())


@pytest.mark.parametrize("name", ["ENCRYPTION_KEY", "ENCRYPTION_KEYS", "ENCRYPTION_KEY_ACTIVE"])
class TestFiles:
    def test_both_forms_are_refused(self, name: str, certificates: Path, tmp_path: Path) -> None:
        """Nobody should have to guess which one won."""
        file = tmp_path / "key"
        file.write_text(KEY)
        message = refused(variables(certificates, **{name: OTHER, f"{name}_FILE": str(file)}))
        assert f"{name} and {name}_FILE" in message
        assert_silent(message, KEY, OTHER)

    def test_a_file_that_others_can_read_is_refused(self, name: str, certificates: Path, tmp_path: Path) -> None:
        """A key that every user of the machine can read is no secret."""
        file = tmp_path / "key"
        file.write_text(KEY)
        file.chmod(0o644)
        assert f"{name}_FILE" in refused(variables(certificates, **{f"{name}_FILE": str(file)}))

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe" * 32, None])
    def test_an_unusable_file_is_refused(
        self, name: str, content: bytes | None, certificates: Path, tmp_path: Path
    ) -> None:
        """Missing, empty, or no text."""
        file = tmp_path / "key"
        if content is not None:
            file.write_bytes(content)
            file.chmod(0o600)
        assert f"{name}_FILE" in refused(variables(certificates, **{f"{name}_FILE": str(file)}))


def from_file(certificates: Path, directory: Path, name: str, text: str) -> Settings:
    file = directory / secrets.token_hex(4)
    file.write_text(text)
    file.chmod(0o600)
    return read(variables(certificates, **{f"{name}_FILE": str(file)}))


def test_both_forms_of_a_key_mean_the_same(certificates: Path, tmp_path: Path) -> None:
    """Variable or file, single or numbered 1, upper or lower case: one fingerprint."""
    forms = [
        read(variables(certificates, ENCRYPTION_KEY=KEY)),
        read(variables(certificates, ENCRYPTION_KEY=f" {KEY.upper()}\n")),
        read(variables(certificates, ENCRYPTION_KEYS=f"1:{KEY}")),
        from_file(certificates, tmp_path, "ENCRYPTION_KEY", f"{KEY}\n"),
        from_file(certificates, tmp_path, "ENCRYPTION_KEYS", f"1:{KEY}\n"),
    ]
    assert len({str(settings.ring.fingerprints()) for settings in forms}) == 1


def test_the_highest_key_is_active_unless_another_is_named(certificates: Path) -> None:
    """With replicas a key is added everywhere first, and activated later."""
    keys = f"2:{KEY},1:{OTHER}"
    assert read(variables(certificates, ENCRYPTION_KEYS=keys)).ring.active == 2
    assert read(variables(certificates, ENCRYPTION_KEYS=keys, ENCRYPTION_KEY_ACTIVE="1")).ring.active == 1


def test_reading_takes_the_keys_out_of_the_environment(certificates: Path) -> None:
    """A child or a debugger that prints the environment finds none, even when reading failed."""
    for keys in ({"ENCRYPTION_KEY": KEY}, {"ENCRYPTION_KEYS": KEY, "ENCRYPTION_KEY": KEY}):
        environ = variables(certificates) | keys
        with suppress(SettingsError):
            read(environ)
        assert not [name for name in environ if name.startswith("ENCRYPTION")]


def test_settings_can_be_printed(certificates: Path) -> None:
    """The ring masks itself, so a log of the settings is harmless."""
    assert_silent(repr(read(variables(certificates, ENCRYPTION_KEY=KEY))), KEY)
