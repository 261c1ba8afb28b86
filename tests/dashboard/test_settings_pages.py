"""Settings and assistants: what one uses, how an assistant is connected, what it did."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from dashboard_browser import Site
from keyway_dashboard.features.assistants.configurations import Configuration, configurations
from keyway_dashboard.features.settings.usage import Usage
from oracle import canaries, stage
from oracle.stage import Home
from oracle.wire import Call, bearer, send
from playwright.sync_api import expect
from visitor import Visitor

API = "https://api.keyway.test"
PUT = {"mode": "merge", "environment": "development"}


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with a value."""
    return stage.home(site.stack, "assisted")


@pytest.fixture(scope="module")
def forms(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator's pages."""
    with site.visitor(vault.admin) as forms:
        yield forms


def as_assistant(vault: Home, token: str, value: str) -> None:
    """A push as the command line does it for an assistant."""
    body = PUT | {"repoFullName": vault.full_name, "secrets": {"BY_ASSISTANT": value}}
    headers = (bearer(token), ("User-Agent", "keyway-mcp/1.0"))
    assert send(vault.base, Call("POST", "/v1/secrets/push", headers, body)).status == 200


def started(one: Configuration) -> tuple[list[str], str]:
    """What an assistant with this configuration starts, and the server that it is told."""
    if one.is_command:
        words = shlex.split(one.text)
        at = words.index("--")
        return words[at + 1 :], words[words.index("-e") + 1].partition("=")[2]
    found: Any = tomllib.loads(one.text) if one.place.endswith(".toml") else json.loads(one.text)
    while "command" not in found:
        [found] = [found["keyway"]] if "keyway" in found else found.values()
    command = found["command"] if isinstance(found["command"], list) else [found["command"], *found["args"]]
    return command, (found.get("env") or found.get("environment"))["KEYWAY_API_URL"]


class TestAssistants:
    """Connecting one, and looking at what it did."""

    @pytest.mark.parametrize("vault_name", ["", "owner/a.name-1"])
    def test_every_configuration_starts_the_server_for_this_api_without_a_credential(self, vault_name: str) -> None:
        """Each is what its assistant can read; it starts `keyway mcp`, for the vault that was named, and holds nothing
        that may not be committed."""
        every = configurations(API, vault_name)
        assert len({one.name for one in every}) == len(every) >= 8
        for one in every:
            command, server = started(one)
            outside = one.name in {"Claude Desktop", "Windsurf"} and not vault_name
            named = ["-r", vault_name or "owner/name"] if vault_name or outside else []
            assert (command, server) == (["keyway", "mcp", *named], API), one.name
            assert "TOKEN" not in one.text

    def test_nothing_but_a_repository_gets_into_a_configuration(self, forms: Visitor) -> None:
        """What stands in the address is pasted into terminals: quotes, spaces, options and markup are refused."""
        for wrong in (
            "a/b; rm -rf ~",
            "-r/x",
            "a/b --run trust",
            "$(x)/y",
            "a/b/c",
            "nothing",
            '"><script>',
            "a/b\n-x",
        ):
            page = forms.get("/assistants", vault=wrong).text
            assert "That is no repository" in page, wrong
            assert wrong not in page
            assert "-r owner/name" not in page.replace("&#34;", '"')
        assert "keyway mcp -r own/er.1" in forms.get("/assistants", vault="own/er.1").text

    def test_it_shows_what_assistants_did_and_no_more(self, site: Site, vault: Home, forms: Visitor) -> None:
        """Not what the person did, not what another person's assistant did, and no value."""
        value = canaries.new()
        as_assistant(vault, vault.token, value)
        other = vault.with_role("write")
        as_assistant(vault, other, canaries.new())
        page = forms.get("/assistants").text
        listed = page[page.index("What your assistants did") :]
        assert listed.count("BY_ASSISTANT") == 1
        assert "KEPT" not in listed
        assert value not in page
        with site.visitor(site.person("newcomer")) as fresh:
            assert "Nothing yet" in fresh.get("/assistants").text

    def test_it_is_read_and_copied(self, site: Site, vault: Home) -> None:
        """One opens an assistant and copies its configuration for a vault, by name and by keyboard."""
        with site.window(vault.admin, permissions=["clipboard-read", "clipboard-write"]) as window:
            page = window.go("/assistants")
            page.get_by_label("Vault", exact=True).fill(vault.full_name)
            page.keyboard.press("Enter")
            page.wait_for_url(f"**/assistants?vault={vault.full_name.replace('/', '%2F')}")
            page.get_by_text("Cursor", exact=True).click()
            page.get_by_role("button", name="Copy the configuration of Cursor").click()
            copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
            assert copied["mcpServers"]["keyway"]["args"] == ["mcp", "-r", vault.full_name]
            assert copied["mcpServers"]["keyway"]["env"] == {"KEYWAY_API_URL": site.stack.api_url}
            assert window.complaints == []


class TestUsage:
    """What one uses."""

    def test_it_tells_what_the_backend_counts(self, forms: Visitor, vault: Home) -> None:
        """The plan, what is used and what is allowed; without limits it says so."""
        told = vault.get("/v1/users/me/usage").json()["data"]
        page = re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", forms.get("/settings/usage").text)))
        assert f"Vaults of private repositories {told['usage']['private']} · unlimited" in page
        assert "Environments in a vault unlimited" in page

    def test_limits_are_shown_as_limits(self) -> None:
        """A plan with numbers: how much of how many, and a bound for what is not counted."""
        limits = {"maxPublicRepos": "unlimited", "maxPrivateRepos": 1, "maxProviders": 2}
        limits |= {"maxEnvironmentsPerVault": 3, "maxSecretsPerPrivateVault": "unlimited"}  # type: ignore[dict-item]
        usage = Usage.model_validate(
            {"plan": "free", "limits": limits, "usage": {"public": 4, "private": 1, "providers": 0}}
        )
        assert [(used, limit) for _, used, limit in usage.lines] == [
            (1, 1), (4, "unlimited"), (0, 2), (None, 3), (None, "unlimited"),
        ]  # fmt: skip

    def test_the_profile_is_ones_own(self, site: Site, forms: Visitor, vault: Home) -> None:
        """Name and number as GitHub tells them, and the tabs lead to all of the settings."""
        page = forms.get("/settings").text
        assert vault.admin in page
        for path in ("/settings/sessions", "/settings/usage"):
            assert f'href="{path}"' in page
        with site.window(vault.admin) as window:
            window.go("/settings/usage").get_by_role("navigation", name="Settings").get_by_role(
                "link", name="Profile"
            ).click()
            expect(window.page.get_by_role("heading", name=vault.admin)).to_be_visible()
            assert window.complaints == []
