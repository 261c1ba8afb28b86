"""What a person sees when the backend is dead, the session was ended elsewhere, or a sign-in took too long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from dashboard_browser import Site
from keyway_dashboard.features import ROUTES
from keyway_dashboard.sealing import Seals
from keyway_dashboard.sessions import SESSION, START_SECONDS, STARTED
from oracle.wire import Call, address, bearer, send
from pages import PAGES, Places
from playwright.sync_api import Browser, expect
from stack import TLS, running_stack, sign_in
from standins.providers import Providers
from worlds import World, small

WRITES = [route.path for route in ROUTES if "POST" in (route.methods or ())]


@pytest.fixture(scope="module")
def own(there: Providers, browser: Browser) -> Iterator[Site]:
    """An installation whose backend may die."""
    with running_stack(with_dashboard=True, backend_env=there.environment()) as stack:
        yield Site(stack, browser)


@pytest.fixture
def alive(own: Site) -> Iterator[None]:
    """Whatever the test did, the backend is there for the next one."""
    yield
    if not own.stack.backend.running:
        own.stack.backend.start()


@pytest.fixture(scope="module")
def world(own: Site) -> World:
    """What its pages show."""
    return small(own.stack)


def filled(world: World, path: str) -> str:
    """A route's path with something in each of its places."""
    owner, name = world.vault.split("/")
    return path.format_map(Places(owner=owner, name=name, environment="development", revision="1"))


def ended(own: Site, login: str) -> None:
    """The person ends every session, from elsewhere."""
    token = sign_in(own.stack, login)
    call = Call("DELETE", "/v1/auth/sessions", (bearer(token),))
    assert send(own.stack.api_url, call).status == 200


@pytest.mark.usefixtures("alive")
class TestDeadBackend:
    """Nothing is made up, nothing typed is lost, and it goes on by itself afterwards."""

    def test_every_page_says_so_and_what_to_do(self, own: Site, world: World) -> None:
        """503 with a sentence and a way to try again; so say a write, and a value that is asked for; then everything is
        there again."""
        addresses = {shown.path(world) for shown in PAGES if shown.who == "admin" and shown.status == 200}
        with own.visitor(world.full.admin) as person, own.window(world.full.admin) as window:
            page = window.go(f"/vaults/{world.vault}/secrets/new")
            page.get_by_label("Key", exact=True).fill("TYPED")
            page.get_by_label("Value").fill("kept")
            assert person.proof
            matrix = window.context.new_page()
            matrix.goto(f"{own.url}/vaults/{world.vault}")
            own.stack.backend.kill()
            for address in addresses:
                answer = person.get(address)
                asks = "Keyway cannot be reached" in answer.text or answer.status_code == 200
                assert (address, answer.status_code in {200, 503}, asks) == (address, True, True)
                assert "Traceback" not in answer.text
            for path in WRITES:
                answer = person.post(filled(world, path))
                # A form that is empty may be told so. Nothing is said to be done.
                assert (path, answer.status_code in {200, 400, 404, 503}, "set-cookie" in answer.headers) == (
                    path,
                    True,
                    False,
                )
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_text("Keyway cannot be reached").first).to_be_visible()
            expect(page.get_by_label("Value")).to_have_value("kept")
            assert window.violations() == []
            reveal = matrix.get_by_role("button", name="Reveal DATABASE_URL in development")
            reveal.click()
            expect(matrix.locator("#toasts")).to_contain_text("Keyway cannot be reached")
            expect(matrix.get_by_role("region", name="Value")).to_have_count(0)
            other = own.window(world.full.admin)
            with other as second:
                tried = second.go("/")
                expect(tried.get_by_role("heading", name="Keyway cannot be reached")).to_be_visible()
                own.stack.backend.start()
                tried.get_by_role("link", name="Try again").click()
                expect(tried.get_by_role("heading", name="Vaults", exact=True)).to_be_visible()
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_role("status").filter(has_text="TYPED was saved")).to_be_visible()
            reveal.click()
            expect(matrix.get_by_role("region", name="Value")).to_be_visible()
        assert world.full.values("development")["TYPED"] == "kept"


class TestEndedSession:
    """A session that was ended is nobody's, on every page and for every write."""

    def test_every_page_and_write_leads_to_sign_in(self, own: Site, world: World) -> None:
        """No page is shown, nothing is written, the cookie is taken away, and one comes back to where one was."""
        login = world.full.login_with("admin")
        with own.visitor(login) as person:
            # One address may try few sessions that are none: each try has its own.
            before, proof = world.full.state(), {"_proof": person.proof}
            ended(own, login)
            for shown in (shown for shown in PAGES if shown.who is not None):
                wanted = shown.path(world)
                answer = person.ask("GET", wanted, at=address())
                parts = urlsplit(answer.headers.get("location", ""))
                assert (shown.name, answer.status_code, parts.path) == (shown.name, 303, "/sign-in")
                assert dict(parse_qsl(parts.query)).get("next", "/") == wanted
                assert f'{SESSION}=""' in answer.headers["set-cookie"]
            for path in WRITES:
                headers = {"Origin": own.url}
                answer = person.ask("POST", filled(world, path), at=address(), headers=headers, data=proof)
                assert (path, answer.status_code) in {(path, 303), (path, 200), (path, 400), (path, 404)}
            assert world.full.state() == before

    def test_a_part_of_a_page_leads_there_too(self, own: Site, world: World) -> None:
        """What htmx asks for goes to the sign-in page as a whole, and back to the page that asked."""
        login = world.full.login_with("write")
        with own.visitor(login) as person:
            ended(own, login)
            headers = {"HX-Request": "true", "HX-Current-URL": f"{own.url}/vaults/{world.vault}"}
            answer = person.ask("GET", "/parts/places", at=address(), headers=headers)
            assert answer.status_code == 204
            assert answer.headers["hx-redirect"].startswith("/sign-in?next=%2Fvaults%2F")


class TestExpiredStep:
    """A sign-in that was begun too long ago."""

    def test_a_sign_in_that_took_too_long_is_begun_again(self, own: Site) -> None:
        """The way back from GitHub ends on a page that says what happened and begins anew; nobody is signed in."""
        seals = Seals([own.stack.instance.derived("dashboard-session")])
        at = time.time() - START_SECONDS - 1
        start = {"state": "s" * 32, "verifier": "v" * 64, "target": "/settings", "at": at}
        headers = {"Cookie": f"{STARTED}={seals.seal(STARTED, {'starts': [start]})}"}
        path = f"/auth/callback?state={start['state']}&code=any"
        answer = httpx.get(f"{own.url}{path}", headers=headers, verify=TLS)
        assert answer.status_code == 400
        assert "This sign-in cannot go on" in answer.text
        assert 'href="/sign-in' in answer.text
        assert SESSION not in answer.headers.get("set-cookie", "")
