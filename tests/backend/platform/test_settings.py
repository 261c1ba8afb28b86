"""Reading the configuration: every mistake named by its variable, no value quoted."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from keyway_backend.platform.settings import Settings, SettingsError, load
from variables import variables

CANARY: Final = "CANARY" + secrets.token_hex(12)
REQUIRED: Final = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A configuration without a fault."""
    return variables(tmp_path_factory.mktemp("settings"))


def refused(environment: Mapping[str, str]) -> list[str]:
    """The lines with which it is refused."""
    with pytest.raises(SettingsError) as caught:
        load(environment)
    lines = str(caught.value).splitlines()
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    return lines


class TestRefuses:
    """What must not be started with. A `*` in a value stands for a canary."""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("JWT_SECRET", "short"),
            ("JWT_SECRET", "x" * 64),
            ("JWT_SECRET_PREVIOUS", "short"),
            ("DATABASE_URL", "mysql://app:*@127.0.0.1/keyway"),
            ("DATABASE_URL", "postgresql://app:*@db.example.com/keyway"),
            ("DATABASE_URL", "postgresql://app:*@db.example.com/keyway?sslmode=require"),
            ("DATABASE_URL", "postgresql://app:keyway@127.0.0.1/keyway"),
            ("MIGRATION_DATABASE_URL", "postgresql://owner:postgres@127.0.0.1/keyway"),
            ("GITHUB_APP_PRIVATE_KEY", "*"),
            ("GITHUB_APP_PRIVATE_KEY", base64.b64encode(b"no key").decode()),
            ("CRYPTO_TLS_CA_PATH", "/nowhere/*"),
            ("PORT", "*"),
            ("PORT", "70000"),
            ("LOG_LEVEL", "*"),
            ("ROLE_CACHE_SECONDS", "3600"),
            ("GITHUB_PAT_LOGIN", "*"),
            ("ALLOWED_ORIGINS", "https://a.example,*"),
            ("ALLOWED_ORIGINS", "https://a.example/"),
            ("ALLOWED_ORIGINS", "https://A.example"),
            ("ALLOWED_ORIGINS", "a.example"),
            ("SESSION_COOKIE_DOMAIN", "elsewhere.example"),
            ("SESSION_COOKIE_DOMAIN", ".localhost"),
            ("DASHBOARD_HOP_SECRET", "short"),
            ("ENCRYPTION_KEY", "*"),
            ("ENCRYPTION_KEYS", "1:*"),
            ("ENCRYPTION_KEY_FILE", "/*"),
        ],
    )
    def test_a_bad_value(self, good: dict[str, str], name: str, value: str) -> None:
        """One line, which begins with the variable."""
        value = value if name == "ALLOWED_ORIGINS" else value.replace("*", CANARY)
        [line] = refused({**good, name: value})
        assert line.startswith(f"{name}: ")

    def test_an_ops_port_that_is_public(self, good: dict[str, str]) -> None:
        """Both on all addresses, with one number."""
        [line] = refused({**good, "OPS_PORT": good["PORT"], "OPS_HOST": "::"})
        assert line.startswith("OPS_PORT: ")

    @pytest.mark.parametrize("name", sorted(REQUIRED))
    def test_a_missing_one(self, good: dict[str, str], name: str) -> None:
        """Missing and empty are the same, and the line says what the variable is."""
        for environment in ({key: value for key, value in good.items() if key != name}, {**good, name: ""}):
            [line] = refused(environment)
            assert line.startswith(f"{name}: is not set; it is ")

    def test_billing_without_its_keys(self, good: dict[str, str]) -> None:
        """Nothing is sold with half of a configuration; without BILLING_ENABLED none of it is looked at."""
        lines = refused({**good, "BILLING_ENABLED": "true"})
        assert [line.split(":")[0] for line in lines] == ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"]
        keys = {"STRIPE_SECRET_KEY": CANARY, "STRIPE_WEBHOOK_SECRET": CANARY}
        [line] = refused({**good, **keys, "BILLING_ENABLED": "true", "STRIPE_API_BASE": "http://stripe.example"})
        assert line.startswith("STRIPE_API_BASE: ")
        assert load({**good, "STRIPE_API_BASE": "http://stripe.example"}).billing_enabled is False

    @pytest.mark.parametrize(
        ("switch", "address"),
        [
            ({"IPINFO_TOKEN": CANARY}, "IPINFO_URL"),
            ({"RESEND_API_KEY": CANARY, "MAIL_FROM": "k@e.org"}, "RESEND_URL"),
            ({"NETLIFY_CLIENT_ID": "n", "NETLIFY_CLIENT_SECRET": CANARY}, "NETLIFY_API_URL"),
            ({}, "RAILWAY_API_URL"),
        ],
    )
    def test_tokens_over_a_wire_in_clear(self, good: dict[str, str], switch: dict[str, str], address: str) -> None:
        """Refused while the service is on, but on loopback."""
        [line] = refused({**good, **switch, address: "http://service.example"})
        assert line.startswith(f"{address}: ")
        load({**good, **switch, address: "http://127.0.0.1:9"})

    def test_all_problems_at_once(self) -> None:
        """Nobody has to start ten times to learn of ten mistakes."""
        lines = refused({"ENCRYPTION_KEY": CANARY})
        assert {line.split(":")[0] for line in lines} == REQUIRED | {"ENCRYPTION_KEY"}

    def test_a_secret_given_twice(self, good: dict[str, str], tmp_path: Path) -> None:
        """A variable and its _FILE are two answers to one question."""
        (tmp_path / "secret").write_text(CANARY + CANARY)
        [line] = refused({**good, "JWT_SECRET_FILE": str(tmp_path / "secret")})
        assert "JWT_SECRET_FILE" in line

    def test_a_secret_in_a_file_that_is_not_there(self, good: dict[str, str], tmp_path: Path) -> None:
        """The file is named by its variable, not by its path."""
        lines = refused({**good, "JWT_SECRET": "", "JWT_SECRET_FILE": str(tmp_path / CANARY)})
        assert lines[0] == "JWT_SECRET_FILE: cannot be read (FileNotFoundError)"


class TestReads:
    """What is meant."""

    def test_a_secret_from_a_file(self, good: dict[str, str], tmp_path: Path) -> None:
        """Without the newline that editors leave."""
        (tmp_path / "secret").write_text(CANARY * 2 + "\n")
        settings = load({**good, "JWT_SECRET": "", "JWT_SECRET_FILE": str(tmp_path / "secret")})
        assert settings.jwt_secret.get_secret_value() == CANARY * 2

    def test_what_follows_from_the_domain(self, good: dict[str, str]) -> None:
        """Addresses that are not given."""
        settings = load({**good, "DOMAIN": "keyway.example"})
        assert (settings.api_url, settings.dashboard_url) == (
            "https://api.keyway.example",
            "https://app.keyway.example",
        )
        assert settings.allowed_origins == ("https://app.keyway.example",)
        assert settings.migration_database_url == settings.database_url

    def test_nothing_secret_is_printed(self, good: dict[str, str]) -> None:
        """Neither the object nor its parts show a secret."""
        settings = load({**good, "JWT_SECRET": CANARY * 2, "GITHUB_APP_CLIENT_SECRET": CANARY})
        assert CANARY not in f"{settings!r}{settings}{settings.model_dump()}"
        assert good["GITHUB_APP_PRIVATE_KEY"] not in f"{settings!r}"
