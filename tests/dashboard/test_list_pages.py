"""The list of vaults, however many there are; palette and switcher; a new vault and its first command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from dashboard_browser import Site, Window
from keyway_dashboard.features import ROUTES
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.features.vaults.routes import _ON_A_PAGE, _PLACES
from keyway_dashboard.sessions import THEME
from oracle import canaries, stage
from oracle.stage import GitHub, Home
from playwright.sync_api import Page, expect
from stack import TLS, sign_in
from visitor import Visitor

MANY = max(_ON_A_PAGE, _PLACES) + 2
# Pages that need no palette: they stand before signing in, or are a part or a file.
APART = re.compile(r"/(sign-in|auth|livez|readyz|parts|api-keys/vaults|[a-z/]*export)(/.*)?|.*\.(svg|csv)")


@dataclass(frozen=True)
class Owner:
    """Somebody with more vaults than a page holds, on an account of their own."""

    login: str
    names: list[str]


@pytest.fixture(scope="module")
def many(site: Site) -> Owner:
    """Vaults named 00 to 51 and more."""
    github = GitHub(site.stack)
    login = github.user("collector")
    github.do("install", login=login)
    token = sign_in(site.stack, login)
    names = [f"app-{number:02}" for number in range(MANY)]
    for name in names:
        github.repo(f"{login}/{name}", {})
        stage.create_vault(site.stack, token, f"{login}/{name}")
    return Owner(login, names)


@pytest.fixture(scope="module")
def forms(site: Site, many: Owner) -> Iterator[Visitor]:
    """The collector's pages."""
    with site.visitor(many.login) as forms:
        yield forms


def listed(page: str, owner: str) -> list[str]:
    """The vaults of the list, in its order."""
    main = page[page.index("<main") : page.index("</main>")]
    return re.findall(rf'href="/vaults/{owner}/([^"/]+)"', main)


class TestList:
    """The list, page by page."""

    def test_pages_hold_every_vault_once_in_order(self, forms: Visitor, many: Owner) -> None:
        """By name; the link to the rest leads to the rest, and a page behind the last is the first."""
        first = forms.get("/").text
        onward = re.search(r'rel="next" href="([^"]+)"', first)
        assert onward
        second = forms.get(onward[1].replace("&amp;", "&")).text
        assert listed(first, many.login) + listed(second, many.login) == many.names
        assert len(listed(first, many.login)) == _ON_A_PAGE
        assert listed(forms.get("/?offset=5000").text, many.login) == many.names[:_ON_A_PAGE]
        assert 'rel="next"' not in second

    def test_all_of_them_are_searched(self, forms: Visitor, many: Owner) -> None:
        """Also what stands on no first page; words in any order, environments too; nothing found says so."""
        last = many.names[-1]
        assert listed(forms.get("/", q=f"{last[-2:]} APP").text, many.login) == [last]
        assert len(listed(forms.get("/", q="staging app").text, many.login)) == _ON_A_PAGE
        nothing = forms.get("/", q="no-such <b>").text
        assert "Nothing found" in nothing
        assert "<b>" not in nothing
        assert forms.get("/", q="x" * 3000).status_code == 200

    def test_others_do_not_see_them(self, site: Site, many: Owner) -> None:
        """Neither by looking through the pages nor by searching, in the list, the palette and the fields."""
        with site.visitor(site.person("passer-by")) as others:
            for path in ("/", "/?q=app", "/parts/places?q=app", "/parts/places?as=names", "/parts/places?as=switcher"):
                assert many.login not in others.get(path).text, path
            assert "No vaults yet" in others.get("/").text

    @pytest.mark.parametrize(
        ("told", "trouble", "synced"),
        [
            ({}, "", None),
            ({"warning": "repo_inaccessible", "isReadOnly": True}, "not reachable", None),
            ({"isReadOnly": True, "readonlyReason": "plan_limit_exceeded"}, "read-only: over the plan", None),
            ({"isReadOnly": True, "readonlyReason": "org_free_plan"}, "read-only: free plan", None),
            ({"syncs": ["2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"]}, "", "2026-01-01T00:00:00Z"),
            ({"syncs": ["2026-01-02T00:00:00Z", None]}, "", None),
        ],
    )
    def test_warnings_and_syncs_are_told(self, told: dict[str, object], trouble: str, synced: str | None) -> None:
        """The worse of two warnings; of several connections the one that waits longest, never the best one."""
        syncs = [
            {"provider": "vercel", "keywayEnvironment": "production", "lastSyncedAt": at}
            for at in told.get("syncs", [])  # type: ignore[attr-defined]
        ]
        about = {"repoOwner": "o", "repoName": "r", "secretCount": 0, "environmentDetails": [], "permission": "read"}
        about |= {"isPrivate": True, "isReadOnly": False, "readonlyReason": None, "updatedAt": "2026-01-01T00:00:00Z"}
        vault = Vault.model_validate(about | told | {"syncs": syncs})
        assert (vault.trouble, vault.synced) == (trouble, synced)


def opened(page: Page) -> Page:
    """The palette, with its vaults."""
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option").nth(5)).to_be_visible()
    return page


class TestPalette:
    """Every page and every vault, from the keyboard."""

    def test_no_page_is_left_out(self, forms: Visitor, many: Owner) -> None:
        """Every page without a place for a name in its address stands in it, and a vault's own on its pages."""
        offered = set(re.findall(r'href="([^"]+)"', forms.get("/parts/places").text))
        pages = {
            route.path for route in ROUTES
            if "GET" in (route.methods or ()) and "{" not in route.path and not APART.fullmatch(route.path)
        }  # fmt: skip
        assert pages - offered == set()
        vault = f"/vaults/{many.login}/{many.names[0]}"
        headers = {"HX-Request": "true", "HX-Current-URL": f"{forms.origin}{vault}/history"}
        here = forms.get("/parts/places", headers=headers).text
        assert f'href="{vault}/environments"' in here
        foreign = headers | {"HX-Current-URL": f"https://elsewhere.example{vault}"}
        assert f'href="{vault}/environments"' not in forms.get("/parts/places", headers=foreign).text

    def test_it_opens_what_one_types_of_very_many_too(self, site: Site, many: Owner) -> None:
        """A page by its name; a vault that is not among the first ones; nothing is told as nothing; Escape closes."""
        with site.window(many.login) as window:
            page = opened(window.go("/settings"))
            field = page.get_by_role("combobox", name="Search vaults, pages and actions")
            field.fill("api k")
            expect(page.get_by_role("option", selected=True)).to_have_text("API keys")
            page.keyboard.press("Enter")
            page.wait_for_url("**/api-keys")
            page.keyboard.press("/")
            field.fill(many.names[-1])
            expect(page.get_by_role("option", selected=True)).to_have_text(f"{many.login}/{many.names[-1]}")
            field.fill("zzzz")
            expect(page.get_by_text("Nothing found")).to_be_visible()
            field.fill(many.names[-1][:-1])
            expect(page.get_by_role("option", name=many.names[-2])).to_be_visible()
            page.keyboard.press("Escape")
            expect(field).to_be_hidden()
            self.walk_by_arrows(window, many)
            assert window.complaints == []

    @staticmethod
    def walk_by_arrows(window: Window, many: Owner) -> None:
        """Up and down, around the ends; the switcher leads to the palette for the rest."""
        page = opened(window.page)
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("option", selected=True)).to_have_text("Activity")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        last = page.get_by_role("option", selected=True)
        expect(last).to_contain_text(many.login)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="go to another vault").click()
        page.get_by_role("button", name="more: search").click()
        expect(page.get_by_role("combobox")).to_be_focused()


# Every style of everything in a page's middle.
LOOKS = """[...document.querySelectorAll("html, body, main, main *")].map(
  (one) => [...one.computedStyleMap()].filter(([name]) => !name.startsWith("--")).join("; "))"""


def test_a_theme_that_was_chosen_stays(site: Site, many: Owner) -> None:
    """From the first byte of the next page on, also for who has no script; without a choice the system decides, and
    what it decides looks the same as what one chose."""
    with site.window(many.login, color_scheme="light", reduced_motion="reduce") as window:
        page = window.go("/settings")
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.get_by_role("button", name="Light or dark").click()
        dark = page.evaluate(background)
        assert dark != light
        chosen = page.evaluate(LOOKS)
        page.goto(f"{site.url}/settings/usage")
        assert page.evaluate(background) == dark
        assert page.locator("html.dark").count() == 1
        page.emulate_media(color_scheme="dark")
        page.get_by_role("button", name="Light or dark").click()
        page.reload()
        assert page.evaluate(background) == light
        window.context.clear_cookies(name=THEME)
        page.goto(f"{site.url}/settings")
        assert page.evaluate(LOOKS) == chosen
        assert window.complaints == []
    with site.visitor(many.login) as forms:
        for told, shown in (("dark", 'class="dark"'), ("light", 'class="light"'), ('x"><script>', '<html lang="en">')):
            forms.jar[THEME] = told
            assert shown in forms.get("/settings").text


@pytest.fixture(scope="module")
def home_without(site: Site) -> Home:
    """A vault without a secret."""
    return stage.home(site.stack, "begun", keep=False)


class TestBeginning:
    """A new vault, and what to do next."""

    def test_who_may_not_make_one_is_refused(self, site: Site, home_without: Home) -> None:
        """Not an admin of the repository: no button; posted all the same, for this and for an unknown one: refused."""
        owner = home_without.full_name.partition("/")[0]
        github = GitHub(site.stack)
        writer = github.user("writer")
        github.repo(f"{owner}/waiting", {home_without.admin: "admin", writer: "write"})
        with site.visitor(writer) as forms:
            page = forms.get("/vaults/new").text
            assert "an admin can make it" in page
            assert "Make vault" not in page
            for name in (f"{owner}/waiting", f"{owner}/none", "../../users", ""):
                answer = forms.post("/vaults/new", repository=name)
                assert answer.status_code in {400, 403, 404}, name
            assert f"/vaults/{owner}/waiting" not in forms.get("/").text

    def test_the_next_command_is_the_next_one(self, site: Site, home_without: Home) -> None:
        """Somebody who never signed in on a command line begins with that; else with the push; readers read."""
        path = f"/vaults/{home_without.full_name}"
        by_browser = home_without.login_with("write")
        with site.visitor(by_browser) as forms:
            [now] = re.findall(r'<li aria-current="step">.*?</li>', forms.get(path).text, re.DOTALL)
            assert f"keyway login --api-url {site.stack.api_url}" in now
        with site.visitor(home_without.admin) as forms:
            [now] = re.findall(r'<li aria-current="step">.*?</li>', forms.get(path).text, re.DOTALL)
            assert "keyway push --env development" in now
            assert "keyway login" not in forms.get(path).text
        with site.visitor(home_without.login_with("read")) as forms:
            page = forms.get(path).text
            assert "Somebody who may write puts the first secrets in." in page
            assert "keyway push" not in page

    def test_a_vault_is_made_and_used(self, site: Site, home_without: Home) -> None:
        """Chosen by typing, made once, filled; the onboarding is gone and the list counts its secret."""
        owner = home_without.full_name.partition("/")[0]
        GitHub(site.stack).repo(f"{owner}/brand-new", {home_without.admin: "admin"})
        with site.window(home_without.admin, viewport={"width": 390, "height": 800}) as window:
            page = window.go("/vaults/new")
            page.get_by_label("Search repositories").fill("brand-n")
            page.get_by_role("button", name=f"Make vault for {owner}/brand-new").click()
            expect(
                page.get_by_role("status").filter(has_text=f"The vault for {owner}/brand-new is ready.")
            ).to_be_visible()
            expect(page.get_by_role("heading", name="Put the first secrets in")).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            pushed = stage.push(
                site.stack, home_without.token, f"{owner}/brand-new", "development", {"FIRST": canaries.new()}
            )
            assert pushed.status == 200
            page.reload()
            expect(page.get_by_role("heading", name="Put the first secrets in")).to_have_count(0)
            window.go("/?q=brand-new")
            expect(page.get_by_role("listitem").filter(has_text="brand-new")).to_contain_text("1 secret")
            assert window.complaints == []


def test_who_is_lost_keeps_the_ways_on(site: Site, forms: Visitor) -> None:
    """Signed in, a page that is missing stands in the frame, with a proof for its forms; for others it stands alone."""
    with httpx.Client(base_url=site.url, verify=TLS) as nobody:
        for path in ("/nothing-at-all", "/vaults/nobody/nothing"):
            page = forms.get(path)
            assert (page.status_code, page.text.count('<nav aria-label="Main">')) == (404, 1)
            assert 'name="_proof" value="' in page.text
        page = nobody.get("/nothing-at-all")
        assert (page.status_code, "<nav" in page.text, "_proof" in page.text) == (404, False, False)
