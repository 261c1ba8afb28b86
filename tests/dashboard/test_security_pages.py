"""Security: charts that say what the log says, alerts, the access log, and whom they are closed to."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime
from html import unescape

import pytest
from dashboard_browser import Site
from keyway_dashboard.features.security.models import DAYS, PullsOfDay, by_day, shares
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import expect

PULLS = 3
PAGES = ("/security", "/security/alerts", "/security/access-log")


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault from which its administrator, and a key, pulled."""
    made = stage.home(site.stack, "watched")
    for _ in range(PULLS):
        made.values("development")
    asked = {"name": "robot", "environment": "live", "scopes": ["read:secrets"]}
    stage.pull(site.stack, made.post("/v1/api-keys", asked).json()["data"]["token"], made.full_name, "development")
    return made


class TestRefuses:
    """Who sees nothing."""

    @pytest.mark.parametrize("role", ["read", "maintain"])
    def test_who_manages_nothing_sees_nobody(self, site: Site, vault: Home, role: str) -> None:
        """Neither in numbers nor in rows, named vault or not; the page says when there will be something."""
        with site.visitor(vault.login_with(role)) as client:
            for path in PAGES:
                page = client.get(path)
                assert (page.status_code, 'class="blank"' in page.text) == (200, True), path
                assert vault.admin not in page.text
                assert vault.full_name not in page.text
            for path in PAGES[1:]:
                named = client.get(f"{path}?vault={vault.full_name}").text
                assert vault.admin not in named
                assert 'class="blank"' in named

    @pytest.mark.parametrize("path", PAGES[1:])
    def test_a_foreign_vault_is_one_that_does_not_exist(self, site: Site, vault: Home, path: str) -> None:
        """The same sentence for both."""
        with site.visitor(site.person()) as client:
            for name in (vault.full_name, f"{vault.full_name}-no", "x", "../.."):
                page = client.get(path, vault=name)
                assert page.status_code == 200
                assert f"There is no vault {name}" in unescape(page.text)
                assert "<tbody>" not in page.text


class TestOverview:
    """The charts."""

    def test_they_say_what_was_pulled_in_drawings_and_as_text(self, site: Site, vault: Home) -> None:
        """Columns for days with pulls, a share for each source, person and vault; the numbers are text beside them."""
        with site.window(vault.admin) as window:
            page = window.go("/security")
            today = f"{datetime.now(UTC):%-d %b}"
            drawn = page.get_by_role("img", name=f"Pulls over time: {PULLS + 1} in all")
            expect(drawn).to_be_visible()
            assert drawn.locator("rect.bar").count() in {1, 2}
            page.get_by_text("As a table").click()
            rows = page.get_by_role("region", name="Pulls over time, as a table").get_by_role("row")
            expect(rows).to_have_count(DAYS + 1)
            expect(rows.nth(1)).to_contain_text(today)
            told = {
                name: page.get_by_role("table", name=f"Pulls by {name}").get_by_role("row").all_inner_texts()[1:]
                for name in ("source", "person", "vault")
            }
            told = {name: [line.split() for line in lines] for name, lines in told.items()}
            assert told["source"] == [["Command", "line", "and", "others", str(PULLS)], ["API", "keys", "1"]]
            assert told["person"] == [[vault.admin, str(PULLS + 1)]]
            assert told["vault"] == [[vault.full_name, str(PULLS + 1)]]
            page.get_by_role("link", name=vault.admin).click()
            expect(page.get_by_role("heading", name=f"What {vault.admin} saw")).to_be_visible()
            assert window.complaints == []

    def test_the_drawing_is_made_without_style_or_script(self, site: Site, vault: Home) -> None:
        """The policy forbids both; every drawing is well-formed, and holds shapes alone."""
        with site.visitor(vault.admin) as client:
            page = client.get("/security").text
        drawings = re.findall(r"<svg (?!class).*?</svg>", page, re.DOTALL)
        assert len(drawings) >= 4
        tags = {element.tag for one in drawings for element in ET.fromstring(one).iter()}  # noqa: S314 - our own page
        assert tags == {"svg", "line", "rect", "title"}
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", page)

    def test_columns_are_as_high_as_their_count(self) -> None:
        """The largest fills the drawing, one beside thousands is seen, a day without pulls has none."""
        last = date(2026, 3, 1)
        counts = {date(2026, 3, 1): 1, date(2026, 2, 28): 4_000, date(2026, 2, 1): 2_000, date(2026, 1, 1): 9}
        chart = by_day([PullsOfDay(day=day, pullCount=count) for day, count in counts.items()], last)
        found = {bar.label: (bar.height, round(bar.y + bar.height)) for bar in chart.bars if bar.count}
        assert found == {"1 Mar": (2.0, 120), "28 Feb": (120, 120), "1 Feb": (60, 120)}
        assert len(chart.bars) == DAYS
        assert (chart.bars[0].label, chart.bars[-1].label) == ("31 Jan", "1 Mar")
        assert max(bar.x + bar.width for bar in chart.bars) <= chart.width
        assert by_day([], last).total == 0
        assert [one.percent for one in shares([("a", 400, ""), ("b", 1, "")])] == [100, 1]
        assert shares([]) == []


class TestLists:
    """Alerts, and the access log."""

    def test_reads_and_what_was_unusual_in_them(self, site: Site, vault: Home) -> None:
        """An unknown program raised an alert; the read stands in the log with who, what, where and from where."""
        with site.window(vault.admin) as window:
            page = window.go("/security/access-log")
            page.get_by_label("Vault", exact=True).fill(vault.full_name)
            page.get_by_role("button", name="Filter").click()
            rows = page.get_by_role("row")
            expect(rows).to_have_count(PULLS + 2)
            expect(rows.nth(1)).to_contain_text("API key")
            expect(rows.last).to_contain_text(f"{vault.admin}")
            expect(rows.last).to_contain_text(f"Pulled everything {vault.full_name} development", use_inner_text=False)
            page.get_by_role("link", name="Alerts").click()
            expect(page.get_by_role("listitem").filter(has_text="Unknown program").first).to_contain_text(
                "Find out which one did."
            )
            page.go_back()
            expect(page.get_by_label("Vault", exact=True)).to_have_value(vault.full_name)
            assert window.complaints == []
