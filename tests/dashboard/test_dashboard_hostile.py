"""Texts that want to be code, through every field that a page shows: 200 payloads, none of them is executed.

What is reflected is found by asking every page with every parameter that any page knows; what is stored is put where
the database keeps text that somebody else chose. A page in which a payload arrived is opened in Chromium too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import keyway_dashboard.features
import psycopg
import pytest
from dashboard_browser import Site, Window
from keyway_dashboard.features import ROUTES
from pages import PAGES, Places
from payloads import ALL, MARK, PAYLOADS, alive
from playwright.sync_api import Browser
from stack import running_stack
from standins.providers import Providers
from visitor import Visitor
from worlds import World, small

_ASKED = re.compile(r"""(?:query|query_params\.get|getlist)\(\s*"(\w+)\"""")
_FIELDS = re.compile(r'<(?:input|select|textarea)[^>]* name="(\w+)"')
_LINKED = re.compile(r'href="[^"]*\?([^"]+)"')
SOURCES = Path(keyway_dashboard.features.__file__).parent.rglob("*.py")
ASKED = {name for source in SOURCES for name in _ASKED.findall(source.read_text(encoding="utf-8"))} | {"state", "code"}
# Text that others chose, by table: what is not sealed or covered by a MAC, as far as a page could show it.
STORED = {
    "audit_events": ("actor_login", "ip", "user_agent", "repository", "environment", "platform"),
    "revisions": ("message", "source"),
    "exposure_reads": ("login", "platform"),
}


@pytest.fixture(scope="module")
def site(there: Providers, browser: Browser) -> Iterator[Site]:
    """An installation of its own, because hundreds of pages are asked for in a minute and its rows are spoilt."""
    limits = {"RATE_LIMIT_PER_CREDENTIAL": "1000000", "RATE_LIMIT_PER_ADDRESS": "1000000"}
    options = {"with_dashboard": True, "backend_env": limits | there.environment()}
    with running_stack(**options) as stack:
        yield Site(stack, browser)


@pytest.fixture(scope="module")
def world(site: Site) -> World:
    """A world that nobody else looks at: it is spoilt."""
    return small(site.stack)


@pytest.fixture(scope="module")
def person(site: Site, world: World) -> Iterator[Visitor]:
    """Its administrator, without a browser."""
    with site.visitor(world.full.admin) as someone:
        yield someone


@contextmanager
def watched(site: Site, login: str) -> Iterator[tuple[Window, list[str]]]:
    """A browser, and what was executed in it."""
    executed: list[str] = []
    with site.window(login) as window:
        window.page.expose_function(MARK, lambda: executed.append("called"))
        window.page.on("dialog", lambda dialog: (executed.append(dialog.message), dialog.dismiss()))
        yield window, executed


def opened(site: Site, login: str, addresses: Sequence[str]) -> None:
    """Every address in Chromium: nothing runs, and nothing was there that the policy had to stop."""
    with watched(site, login) as (window, executed):
        for address in addresses:
            window.go(address).wait_for_load_state("networkidle")
            assert (address[:80], executed) == (address[:80], [])
        assert [said for said in window.complaints if "Failed to load resource" not in said] == []


def reflecting(person: Visitor, addresses: Sequence[str]) -> list[str]:
    """Those whose page has the payload in it; in none it is alive."""
    found = []
    for address in addresses:
        answer = person.get(address)
        assert (address[:120], alive(answer.text)) == (address[:120], [])
        # Who asked too often was shown nothing, and would have seen nothing.
        assert answer.status_code < 500, address[:120]
        assert answer.status_code != 429, address[:120]
        found += [address] if MARK in answer.text else []
    return found


def names_on(page: str) -> set[str]:
    """The parameters that a page's forms and links know."""
    linked = {pair.partition("=")[0] for query in _LINKED.findall(page) for pair in query.split("&amp;")}
    return set(_FIELDS.findall(page)) | {name for name in linked if name.isidentifier()}


def with_parameters(person: Visitor, world: World, payload: str) -> list[str]:
    """Every page with each parameter that it knows, and with all that any page knows."""
    made = []
    for path in dict.fromkeys(shown.path(world).partition("?")[0] for shown in PAGES):
        own = names_on(person.get(path).text) | {"q"}
        made += [f"{path}?{urlencode({name: payload})}" for name in sorted(own - {"_proof"})]
        made.append(f"{path}?{urlencode(dict.fromkeys(sorted(ASKED), payload[:1000]))}")
    return made


def in_paths(world: World, payload: str) -> list[str]:
    """Every page's route with the payload in each step of its path."""
    owner, name = world.vault.split("/")
    known = {"owner": owner, "name": name, "environment": "development", "revision": "1"}
    made = []
    for route in ROUTES:
        steps = re.findall(r"\{(\w+)\}", route.path) if "GET" in (route.methods or ()) else []
        made += [route.path.format_map(Places(known | {step: quote(payload, safe="")})) for step in steps]
    return made


def spoil(world: World, payload: str) -> None:
    """Puts the text where the database keeps what others chose."""
    with psycopg.connect(world.stack.superuser_database_url) as connection:
        mine = "SELECT id FROM vaults WHERE owner_login = %(org)s"
        for table, columns in STORED.items():
            changed = ", ".join(f"{column} = %(text)s" for column in columns)
            within = f"environment_id IN (SELECT id FROM environments WHERE vault_id IN ({mine}))"
            place = f"vault_id IN ({mine})" if table != "revisions" else within
            connection.execute(f"UPDATE {table} SET {changed} WHERE {place}", {"text": payload, "org": world.org})  # type: ignore[arg-type]
        connection.execute(
            "UPDATE sessions SET user_agent = %s, ip = %s WHERE user_id IN (SELECT id FROM users WHERE login = %s)",
            (payload, payload, world.full.admin),
        )


def test_there_are_two_hundred_and_the_reader_finds_each() -> None:
    """A reader that finds nothing would prove nothing: each payload is alive where it is not escaped."""
    assert len(set(PAYLOADS)) == 200
    for payload in PAYLOADS:
        contexts = (f"<p>{payload}</p>", f'<input value="{payload}">', f"<input value='{payload}'>")
        assert any(alive(context) for context in contexts), payload


def test_what_an_address_says_stays_text(site: Site, person: Visitor, world: World) -> None:
    """All 200 in one parameter, for every parameter of every page; in every step of a path."""
    found = reflecting(person, with_parameters(person, world, ALL))
    assert len(found) >= 5
    # All of them, and one alone for what looks no further at a long text.
    reflecting(person, [path for payload in (ALL, PAYLOADS[2]) for path in in_paths(world, payload)])
    opened(site, world.full.admin, found)


def test_what_others_chose_stays_text(site: Site, person: Visitor, world: World) -> None:
    """A secret's value, names that a person gave, and every text of the database that a page shows."""
    value = {"DATABASE_URL": ALL, "NEW": ALL}
    assert world.full.post("/v1/secrets/push", body(world, value)).status == 200
    named = {"name": PAYLOADS[2][:60], "environment": "live", "scopes": ["read:secrets"]}
    assert world.full.post("/v1/api-keys", named).status < 300
    pages = [shown.path(world) for shown in PAGES if shown.who == "admin"]
    spoil(world, ALL[:4000])
    found = reflecting(person, list(dict.fromkeys(pages)))
    assert len(found) >= 3
    opened(site, world.full.admin, found)
    with watched(site, world.full.admin) as (window, executed):
        page = window.go(f"/vaults/{world.vault}")
        page.get_by_role("button", name="Reveal DATABASE_URL in development").first.click()
        page.get_by_text(MARK).first.wait_for()
        assert executed == []


@pytest.mark.prove
def test_each_of_the_two_hundred_by_itself(person: Visitor, world: World) -> None:
    """Where a parameter is shown at all, with each payload alone; in every step of every path."""
    shown = [address.partition("?") for address in reflecting(person, with_parameters(person, world, MARK))]
    for payload in PAYLOADS:
        reflecting(person, [f"{path}?{urlencode({query.partition('=')[0]: payload})}" for path, _, query in shown])
        reflecting(person, in_paths(world, payload))


def body(world: World, values: dict[str, str]) -> dict[str, object]:
    """A push to development."""
    return {"repoFullName": world.vault, "environment": "development", "mode": "merge", "secrets": values}
