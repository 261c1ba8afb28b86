"""Who gets in, who may write, and what every answer carries: the real dashboard on the real stack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from dashboard_browser import Site
from keyway_dashboard.features import ROUTES
from keyway_dashboard.sessions import SESSION
from oracle.stage import Home
from playwright.sync_api import expect
from stack import TLS
from visitor import came_back

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
OPEN = {"/", "/livez", "/readyz", "/sign-in", "/sign-in/start", "/auth/callback", "/badge.svg"}
# A picture that other sites show and caches keep; it holds nothing of anybody.
SHOWN_ELSEWHERE = {"/badge.svg": ("public, max-age=86400", "cross-origin")}
WRITES = [route.path for route in ROUTES if "POST" in (route.methods or ())]
READS = [route.path for route in ROUTES if "GET" in (route.methods or ())]


@pytest.fixture(scope="module")
def cookie(site: Site, home: Home) -> str:
    """The session of an administrator, as the browser sends it."""
    return f"{SESSION}={site.session(home.admin)}"


@pytest.fixture(scope="module")
def good(site: Site, home: Home) -> str:
    """What a form of this session carries."""
    with site.visitor(home.admin) as visitor:
        return visitor.proof


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    """A client without cookies that follows nothing."""
    with httpx.Client(base_url=site.url, verify=TLS, timeout=20) as client:
        yield client


def filled(path: str, home: Home) -> str:
    """A route's path with something in each of its places."""
    owner, name = home.full_name.split("/")
    known = {"owner": owner, "name": name, "environment": "development", "revision": "1"}
    steps = [one.partition("}")[0] for one in path.split("{")[1:]]
    return path.format(**{step: known.get(step, "00000000-0000-7000-8000-000000000000") for step in steps})


class TestEveryRoute:
    """What holds for all of them, those to come included."""

    def test_every_route_is_registered_as_one_of_three_kinds(self) -> None:
        """A page is for people who are signed in, a write is proven, and what is open is a closed list."""
        kinds = {route.path: route.name.split()[0] for route in ROUTES}
        assert set(kinds.values()) <= {"signed-in", "proven", "open"}
        assert {path for path, kind in kinds.items() if kind == "open"} == OPEN
        assert {route.name.split()[0] for route in ROUTES if "POST" in (route.methods or ())} == {"proven"}

    @pytest.mark.parametrize("path", READS)
    def test_every_answer_carries_its_headers(self, http: httpx.Client, cookie: str, home: Home, path: str) -> None:
        """Signed in or not: one policy without exceptions, no frame; no cache and no other origin but for the badge."""
        for headers in ({}, {"Cookie": cookie}):
            told = http.get(filled(path, home), headers=headers).headers
            assert told["content-security-policy"] == POLICY
            assert told["cross-origin-opener-policy"] == "same-origin"
            shown = (told["cache-control"], told["cross-origin-resource-policy"])
            assert shown == SHOWN_ELSEWHERE.get(path, ("no-store", "same-origin"))
            assert (told["x-frame-options"], told["x-content-type-options"]) == ("DENY", "nosniff")

    @pytest.mark.parametrize("path", [path for path in READS if path not in OPEN])
    def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(self, http: httpx.Client, home: Home, path: str) -> None:
        """Without a session, or with one that we did not seal, there is no page, only the way to one."""
        wanted = filled(path, home)
        for headers in ({}, {"Cookie": f"{SESSION}=AQAA"}, {"Cookie": f"{SESSION}=x"}):
            answer = http.get(wanted, headers=headers)
            assert answer.status_code == 303
            target = urlsplit(answer.headers["location"])
            assert (target.netloc, target.path, dict(parse_qsl(target.query))) == ("", "/sign-in", {"next": wanted})

    @pytest.mark.parametrize("path", WRITES)
    def test_a_write_without_proof_is_refused(
        self, http: httpx.Client, cookie: str, good: str, home: Home, site: Site, path: str
    ) -> None:
        """Our origin without the proof, the proof without our origin, another session's proof: 403, nothing written."""
        ours = {"Cookie": cookie, "Origin": site.url}
        attempts: list[tuple[dict[str, str], str]] = [
            (ours, ""),
            (ours, good[:-8] + "AAAAAAA="),
            (ours, "A" * len(good)),
            ({"Cookie": cookie}, good),
            ({"Cookie": cookie, "Origin": "null"}, good),
            ({"Cookie": cookie, "Origin": "https://elsewhere.example"}, good),
            ({"Cookie": cookie, "Origin": f"{site.url}.elsewhere.example"}, good),
            (ours | {"Sec-Fetch-Site": "same-site"}, good),
            (ours | {"Sec-Fetch-Site": "cross-site"}, good),
        ]
        for headers, given in attempts:
            answer = http.post(filled(path, home), data={"_proof": given}, headers=headers)
            assert (answer.status_code, "not from here" in answer.text) == (403, True), headers
        assert http.get("/settings", headers={"Cookie": cookie}).status_code == 200


class TestSignIn:
    """Of a session only the browser that asked for it gets one."""

    def test_a_code_that_another_browser_started_is_refused(self, site: Site, http: httpx.Client, home: Home) -> None:
        """A link with somebody's own fresh code signs no other browser in; the browser that began is signed in once."""
        own, link = came_back(site.stack, http, home.admin, "/settings")
        with site.window() as other:
            # It began a sign-in of its own, so that there is something to mistake for the right one.
            other.go("/sign-in").get_by_role("link", name="Continue with GitHub").click()
            page = other.go(link.removeprefix(site.url))
            expect(page.get_by_role("heading", name="This sign-in cannot go on")).to_be_visible()
            assert SESSION not in {one["name"] for one in other.context.cookies()}
        answers = [http.get(link, headers=own) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 400]
        assert answers[0].headers["location"] == "/settings"
        assert SESSION in answers[0].headers["set-cookie"]
        assert SESSION not in answers[1].headers.get("set-cookie", "")

    @pytest.mark.parametrize(
        "target",
        [
            "https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "\\\\elsewhere.example",
            "/%2f%2felsewhere.example", "/a//elsewhere.example", "/../x", "/a/%2e%2e/b", "javascript:alert(1)",
            " /settings", "/settings\n", "/sett ings", "/#x", "settings", "/auth/callback?code=x", "/sign-out",
            "/" + "a" * 2000, "/é", "",
        ],
    )  # fmt: skip
    def test_it_leads_to_our_own_pages_alone(self, http: httpx.Client, cookie: str, target: str) -> None:
        """Whatever `next` says, a browser that is signed in already goes to a path of ours."""
        answer = http.get("/sign-in", params={"next": target}, headers={"Cookie": cookie})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")

    def test_the_way_there_and_back_and_out(self, site: Site) -> None:
        """A deep address survives the sign-in; signing out ends the session itself, not only this browser's cookie."""
        with site.window() as window:
            page = window.page
            site.sign_in(page, site.person(), "/settings/sessions?from=deep")
            expect(page).to_have_url(f"{site.url}/settings/sessions?from=deep")
            expect(page.get_by_role("listitem").filter(has_text="this device")).to_have_count(1)
            kept = [one for one in window.context.cookies() if one["name"] == SESSION]
            assert [(one["httpOnly"], one["secure"], one["sameSite"]) for one in kept] == [(True, True, "Lax")]
            page.get_by_role("button", name=", account").click()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", name="Secrets for whoever can reach the repository.")).to_be_visible()
            window.context.add_cookies(kept)  # type: ignore[arg-type]
            page.goto(f"{site.url}/settings")
            expect(page.get_by_role("heading", name="Sign in to Keyway")).to_be_visible()

    def test_a_revoked_session_leads_to_sign_in_and_back(self, site: Site) -> None:
        """One device ends the other's session; the other signs in again and is back where it was. Then all others end
        at once, and this one stays."""
        login = site.person()
        with site.window(login) as first, site.window() as second:
            site.sign_in(second.page, login)
            page = first.go("/settings/sessions")
            page.get_by_role("button", name=re.compile("^End the session")).click()
            page.get_by_role("button", name="End session").click()
            expect(page.get_by_role("status").filter(has_text="The session was ended.")).to_be_visible()
            other = second.go("/settings?tab=profile")
            expect(other.get_by_role("heading", name="Sign in to Keyway")).to_be_visible()
            other.get_by_role("link", name="Continue with GitHub").click()
            site.consent(other, login)
            expect(other).to_have_url(f"{site.url}/settings?tab=profile")
            page = first.go("/settings/sessions")
            page.get_by_role("button", name="End all others").first.click()
            page.get_by_role("dialog").get_by_role("button", name="End all others").click()
            expect(page.get_by_role("status").filter(has_text="1 other session ended.")).to_be_visible()
            expect(second.go("/settings").get_by_role("heading", name="Sign in to Keyway")).to_be_visible()
            expect(first.go("/settings").get_by_role("heading", name=login)).to_be_visible()

    def test_the_backend_learns_the_address_and_the_agent_of_the_browser(self, site: Site, home: Home) -> None:
        """The list of sessions names the browser and where it is, not the dashboard that asked for it."""
        agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Gecko/20100101 Firefox/190.0"
        transport = httpx.HTTPTransport(local_address="127.77.1.9", verify=TLS)
        with httpx.Client(base_url=site.url, transport=transport, headers={"User-Agent": agent}) as client:
            own, link = came_back(site.stack, client, home.admin, "/settings")
            session = client.get(link, headers=own).headers["set-cookie"].partition(";")[0]
            page = client.get("/settings/sessions", headers={"Cookie": session}).text
        here = re.search(r"Firefox on macOS.*?this device.*?(127[0-9.]+) ·", page, re.DOTALL)
        assert here
        assert here[1] == "127.77.1.9"
