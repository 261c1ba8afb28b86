"""Texts that want to be code, through every field that a page shows: 200 payloads, none of them is executed.

What is reflected is found by asking every page with every parameter that any page knows, and by sending every form with
every field filled; what is stored is put where the database keeps text that somebody else chose, and where providers
name what is theirs. A page in which a payload arrived is opened in Chromium too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import httpx
import keyway_dashboard.features
import psycopg
import pytest
from dashboard_browser import Site, Window
from forms import Form, forms
from keyway_dashboard.features import ROUTES
from oracle.wire import Call, bearer, send
from pages import PAGES, Places
from payloads import ALL, MARK, PAYLOADS, alive
from playwright.sync_api import Browser, expect
from stack import running_stack
from standins.providers import OF_A_TEAM, TOKEN, Providers
from starlette.routing import Match
from visitor import Visitor
from worlds import World, small

_ASKED = re.compile(r"""(?:query|query_params\.get|getlist)\(\s*"(\w+)\"""")
_LINKED = re.compile(r'href="[^"]*\?([^"]+)"')
SOURCES = Path(keyway_dashboard.features.__file__).parent.rglob("*.py")
ASKED = {name for source in SOURCES for name in _ASKED.findall(source.read_text(encoding="utf-8"))} | {"state", "code"}
# Text that others chose, by table: what is not sealed or covered by a MAC, as far as a page could show it.
STORED = {
    "audit_events": ("actor_login", "ip", "user_agent", "repository", "environment", "platform"),
    "revisions": ("message", "source"),
    "exposure_reads": ("login", "platform"),
    "alerts": ("message", "ip", "country", "city", "repository", "device_id"),
}
SHORT = PAYLOADS[27]
# Where that must have arrived, or the test would prove nothing.
ARRIVES = (
    "/vaults/{}/history",
    "/activity",
    "/security/alerts",
    "/security/access-log",
    "/settings/sessions",
)


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


@pytest.fixture
def called(there: Providers) -> Iterator[None]:
    """Everything at the providers has a payload for a name."""
    there.called = (SHORT, *PAYLOADS)
    there.variables.update(dict.fromkeys(PAYLOADS, "x"))
    yield
    there.called = ()
    there.variables.clear()


def connected(world: World, provider: str, code: str) -> None:
    """An account at a provider that asks for consent in a browser."""
    leaving = send(world.full.base, Call("GET", f"/v1/integrations/{provider}/authorize", (bearer(world.full.token),)))
    state = parse_qs(urlsplit(leaving.header("location")).query)["state"][0]
    cookie = ("Cookie", leaving.header("set-cookie").partition(";")[0])
    back = f"/v1/integrations/{provider}/callback?code={code}&state={state}"
    assert send(world.full.base, Call("GET", back, (cookie,))).status == 200


@contextmanager
def watched(site: Site, login: str) -> Iterator[tuple[Window, list[str]]]:
    """A browser, and what was executed in it."""
    executed: list[str] = []
    with site.window(login) as window:
        window.page.expose_function(MARK, lambda: executed.append("called"))
        window.page.on("dialog", lambda dialog: (executed.append(dialog.message), dialog.dismiss()))
        yield window, executed


def opened(site: Site, login: str, addresses: Iterable[str]) -> None:
    """Every address in Chromium: nothing runs, and nothing was there that the policy had to stop."""
    with watched(site, login) as (window, executed):
        for address in addresses:
            window.go(address).wait_for_load_state("networkidle")
            assert (address[:80], executed) == (address[:80], [])
        quiet(window)


def quiet(window: Window) -> None:
    """Nothing was complained of but what is not there."""
    assert [said for said in window.complaints if "Failed to load resource" not in said] == []


def dead(answer: httpx.Response, what: str) -> int:
    """How often a payload stands in an answer; nowhere it is alive."""
    # Who asked too often was shown nothing, and would have seen nothing.
    assert answer.status_code < 500, what[:120]
    assert answer.status_code != 429, what[:120]
    count = answer.text.count(MARK)
    assert (what[:120], alive(answer.text) if count else []) == (what[:120], [])
    return count


def reflected(person: Visitor, addresses: Iterable[str]) -> list[tuple[int, str]]:
    """How often the payload stands in the page of each address, as far as it does; in none it is alive."""
    counted = ((dead(person.get(address), address), address) for address in addresses)
    return [(count, address) for count, address in counted if count]


def reflecting(person: Visitor, addresses: Iterable[str]) -> list[str]:
    """Those whose page has the payload in it, of each page the one that has it most."""
    best: dict[str, tuple[int, str]] = {}
    for found in reflected(person, addresses):
        path = found[1].partition("?")[0]
        best[path] = max(best.get(path, found), found)
    return [address for _, address in best.values()]


def names_on(page: str, path: str) -> set[str]:
    """The parameters that a page's links and searches know."""
    linked = {pair.partition("=")[0] for query in _LINKED.findall(page) for pair in query.split("&amp;")}
    asked = {name for form in forms(page, path) if form.method == "get" for name in form.fields}
    return asked | {name for name in linked if name.isidentifier()} | {"q"}


def with_parameters(person: Visitor, world: World, payload: str) -> list[str]:
    """Every page with each parameter that it knows, and with all that any page knows."""
    made = []
    for path in dict.fromkeys(shown.path(world).partition("?")[0] for shown in PAGES):
        made += [f"{path}?{urlencode({name: payload})}" for name in sorted(names_on(person.get(path).text, path))]
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
            "INSERT INTO ip_locations (ip, country, city, looked_up_at) VALUES (%(text)s, %(text)s, %(text)s, now())",
            {"text": payload},
        )
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


# Fills a form of the page as nobody could by hand, and sends it.
FILL = """([action, fields]) => {
  const form = [...document.forms].find((one) => one.method === "post" &&
    (one.getAttribute("action") === action || one.querySelector(`[formaction="${action}"]`)));
  if (!form) return false;
  for (const [name, text] of Object.entries(fields)) {
    for (const field of form.querySelectorAll(`[name="${name}"]`)) {
      if (field.options) field.append(new Option(text, text));
      if (field.type !== "file") field.value = text;
      field.checked = true;
    }
  }
  form.noValidate = true;
  form.requestSubmit(form.querySelector('[type="submit"]'));
  return true;
}"""


def writing(person: Visitor, world: World) -> Iterator[tuple[str, Form]]:
    """Each form of ours with something to fill in, and a page on which it is."""
    seen = set()
    for path in dict.fromkeys(shown.path(world) for shown in PAGES if shown.who == "admin"):
        for form in forms(person.get(path).text, path):
            if form.method == "post" and form.fields:
                kind = (_route(form.action), *sorted(form.fields))
                if kind not in seen:
                    yield path, form
                seen.add(kind)


def _route(path: str) -> str:
    scope = {"type": "http", "method": "POST", "path": path}
    return next(route.path for route in ROUTES if route.matches(scope)[0] == Match.FULL)


def test_what_forms_say_stays_text(site: Site, person: Visitor, world: World) -> None:
    """All 200, and one that is no longer than a name, in what a person types into a form; that one in every field of
    it: the answer, and where it leads to. What is kept of it is looked at by the next test."""
    told: dict[str, tuple[str, dict[str, str]]] = {}
    for path, form in list(writing(person, world)):
        for text, wholly in ((ALL, False), (SHORT, True), (SHORT, False)):
            fields = form.filled(text, wholly=wholly)
            answer = person.post(form.action, **fields)
            count = dead(answer, form.action)
            if answer.status_code == 303:
                count = dead(person.get(answer.headers["location"]), form.action)
            told |= {form.action: (path, fields)} if count else {}
    assert len(told) >= 5
    with watched(site, world.full.admin) as (window, executed):
        sent = [action for action, (path, fields) in told.items() if sends(window, path, (action, fields))]
        assert executed == []
        quiet(window)
    # What was renamed is not where it was.
    assert len(sent) >= 5


def sends(window: Window, path: str, what: tuple[str, dict[str, str]]) -> bool:
    """Opens a page, fills in a form of it, sends it; whether there is such a form on it."""
    page = window.go(path)
    answers: list[object] = []
    page.on("response", lambda answer: answer.request.method == "POST" and answers.append(answer))
    if not page.evaluate(FILL, list(what)):
        return False
    until = time.monotonic() + 60
    while not answers:
        assert time.monotonic() < until
        page.wait_for_timeout(50)
    page.wait_for_load_state("networkidle")
    expect(page.locator("body:not(.busy)")).to_be_visible()
    return True


def test_what_others_chose_stays_text(site: Site, person: Visitor, world: World) -> None:
    """A secret's value, names that a person gave, and every text of the database that a page shows."""
    value = {"DATABASE_URL": ALL, "NEW": ALL}
    assert world.full.post("/v1/secrets/push", body(world, value)).status == 200
    named = {"name": PAYLOADS[2][:60], "environment": "live", "scopes": ["read:secrets"]}
    assert world.full.post("/v1/api-keys", named).status < 300
    unusual(person, world)
    pages = [shown.path(world) for shown in PAGES if shown.who == "admin"]
    spoil(world, ALL[:4000])
    found = reflecting(person, dict.fromkeys(pages))
    arrived = {address.partition("?")[0] for address in found}
    assert {path.format(world.vault) for path in ARRIVES} - arrived == set()
    opened(site, world.full.admin, found)
    with watched(site, world.full.admin) as (window, executed):
        page = window.go(f"/vaults/{world.vault}")
        page.get_by_role("button", name="Reveal DATABASE_URL in development").first.click()
        page.get_by_text(MARK).first.wait_for()
        assert executed == []


def unusual(person: Visitor, world: World) -> None:
    """A read by a program that is called like a payload raises an alert that says so."""
    headers = (bearer(world.full.token), ("User-Agent", PAYLOADS[2]))
    pull = f"/v1/secrets/pull?repo={world.vault}&environment=development"
    assert send(world.full.base, Call("GET", pull, headers)).status == 200
    until = time.monotonic() + 60
    while not dead(person.get("/security/alerts", vault=world.vault), "alerts"):
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.usefixtures("called")
def test_what_providers_call_things_stays_text(site: Site, person: Visitor, world: World, there: Providers) -> None:
    """Accounts, teams, projects, services, environments and variables of all three."""
    for provider, code in (("vercel", OF_A_TEAM), ("netlify", "good")):
        connected(world, provider, code)
    at = f"/vaults/{world.vault}/syncs"
    with watched(site, world.full.admin) as (window, executed):
        page = window.go(f"{at}/connect?provider=railway")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button", name="Connect").click()
        expect(page.get_by_role("status").filter(has_text=MARK)).to_be_visible()
        page = window.go(f"{at}/new")
        for provider in ("Vercel", "Netlify", "Railway"):
            shown = page.locator("optgroup", has=page.locator("option")).and_(page.locator(f"[label={provider}]"))
            assert shown.locator("option").count() == len(there.called)
        page.get_by_label("Project").select_option(index=3)
        page.get_by_role("button", name="Show what would be copied").click()
        page.wait_for_url(re.compile(r"/syncs/[0-9a-f-]{36}"))
        expect(page.get_by_role("main")).to_contain_text(MARK)
        preview = page.url.removeprefix(site.url)
        assert executed == []
        quiet(window)
    wanted = [
        at,
        f"{at}/new",
        preview,
        f"{preview}?direction=pull",
        f"/vaults/{world.vault}/syncs/{world.link}?delete=yes",
    ]
    assert len(reflecting(person, wanted)) == len({address.partition("?")[0] for address in wanted})
    opened(site, world.full.admin, wanted)


@pytest.mark.prove
def test_each_of_the_two_hundred_by_itself(person: Visitor, world: World) -> None:
    """Where a parameter or a step of a path is shown at all, with each payload alone."""
    found = [address for _, address in reflected(person, with_parameters(person, world, MARK))]
    alone = [address for address in found if "&" not in address]
    paths = {address.partition("?")[0] for address in alone}
    # All that any page knows at once, only where none was found alone.
    shown = alone + [address for address in found if address.partition("?")[0] not in paths]
    shown += [address for _, address in reflected(person, in_paths(world, MARK))]
    assert len(shown) >= 10
    for payload in PAYLOADS:
        arrived = reflected(person, [address.replace(MARK, quote(payload, safe="")) for address in shown])
        assert len(arrived) > len(shown) // 2, payload


def body(world: World, values: dict[str, str]) -> dict[str, object]:
    """A push to development."""
    return {"repoFullName": world.vault, "environment": "development", "mode": "merge", "secrets": values}
