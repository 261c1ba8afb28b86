"""Activity: filters, pages, files; and that nobody sees more in them than the backend shows."""

from __future__ import annotations

import csv
import io
import re

import psycopg
import pytest
from dashboard_browser import Site
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import expect

ROWS = 1_203


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault whose administrator pushed, whose reader pulled, and whose key did as well."""
    made = stage.home(site.stack, "acts", keep=False)
    assert made.push({"ONE": "1", "TWO": "2"}, "development").status == 200
    assert made.push({"CLOSED_NAME": "1"}, "production").status == 200
    stage.pull(site.stack, made.with_role("read"), made.full_name, "development")
    return made


@pytest.fixture(scope="module")
def reader(site: Site, vault: Home) -> str:
    """Somebody with the lowest role, who pulled once."""
    login = vault.login_with("read")
    stage.pull(site.stack, stage.sign_in(site.stack, login), vault.full_name, "development")
    return login


def lines(text: str) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


class TestRefuses:
    """What is not shown."""

    def test_who_does_not_manage_the_vault_sees_the_own_actions_alone(
        self, site: Site, vault: Home, reader: str
    ) -> None:
        """On the page, with a filter that names somebody else, and in both files."""
        with site.visitor(reader) as client:
            for query in ("", f"&person={vault.admin}", "&action=secrets_pushed"):
                page = client.get(f"/activity?vault={vault.full_name}{query}")
                assert page.status_code == 200
                assert "CLOSED_NAME" not in page.text
                assert f"<strong>{vault.admin}</strong>" not in page.text
                assert (f"<strong>{reader}</strong>" in page.text) == (not query), query
            for kind in ("csv", "json"):
                file = client.get(f"/activity/export?vault={vault.full_name}&format={kind}").text
                assert reader in file
                assert vault.admin not in file

    def test_a_stranger_gets_neither_rows_nor_a_file(self, site: Site, vault: Home) -> None:
        """A foreign vault and one that does not exist look the same, and no download begins."""
        with site.visitor(site.person()) as client:
            told = []
            for name in (vault.full_name, f"{vault.full_name}-no"):
                page = client.get(f"/activity?vault={name}").text
                assert "There is no vault" in page
                assert "<strong>" not in page
                told.append(page.replace(name, "that"))
                file = client.get(f"/activity/export?vault={name}&format=csv")
                assert (file.status_code, file.headers.get("content-disposition")) == (404, None)
            assert re.sub(r'_proof" value="[^"]+"|Proof": "[^"]+"', "", told[0]) == re.sub(
                r'_proof" value="[^"]+"|Proof": "[^"]+"', "", told[1]
            )

    @pytest.mark.parametrize(
        "query", ["action=Rm%20-rf", "vault=a", "vault=a/b/c", "vault=../..", "person=a%00&vault=a/b"]
    )
    def test_a_wrong_question_is_told_and_not_a_failure(self, site: Site, vault: Home, query: str) -> None:
        """The page says so; its form still stands."""
        with site.visitor(vault.admin) as client:
            page = client.get(f"/activity?{query}")
            assert page.status_code == 200
            assert 'data-tone="warn"' in page.text
            assert client.get(f"/activity/export?{query}&format=csv").status_code in {400, 404}
            assert client.get("/activity/export?format=xlsx").status_code == 400


class TestList:
    """What is shown, and how one gets around in it."""

    def test_filters_pages_and_files_in_a_browser(self, site: Site, vault: Home, reader: str) -> None:
        """Every filter is an address; the way back is the browser's; the file holds what the filters leave."""
        with site.window(vault.admin) as window:
            page = window.go("/activity")
            expect(page.get_by_role("listitem").filter(has_text=f"{vault.admin} made the vault")).to_be_visible()
            expect(page.get_by_label("Person", exact=True)).to_be_disabled()
            expect(page.locator("datalist option")).not_to_have_count(0)
            page.get_by_label("Vault", exact=True).fill(vault.full_name)
            page.get_by_label("Vault", exact=True).press("Enter")
            expect(page.get_by_role("listitem").filter(has_text=f"{reader} pulled 2 secrets")).to_be_visible()
            page.get_by_label("Action", exact=True).select_option(label="Pushed secrets")
            page.wait_for_url("**action=secrets_pushed*")
            events = page.locator(".event")
            expect(events).to_have_count(2)
            expect(events.first).to_contain_text("pushed CLOSED_NAME")
            with page.expect_download() as got:
                page.get_by_role("link", name="CSV").click()
            assert got.value.suggested_filename == "keyway-activity.csv"
            found = lines(got.value.path().read_text(encoding="utf-8"))
            assert [(row["person"], row["environment"], row["count"]) for row in found] == [
                (vault.admin, "production", "1"), (vault.admin, "development", "2"),
            ]  # fmt: skip
            page.go_back()
            expect(page.get_by_label("Action", exact=True)).to_have_value("")
            page.get_by_label("Person", exact=True).fill(reader)
            page.get_by_role("button", name="Filter").click()
            expect(events).to_have_count(1)
            page.get_by_label("To", exact=True).fill("2020-01-01")
            page.get_by_role("button", name="Filter").click()
            expect(page.get_by_role("heading", name="Nothing of the kind")).to_be_visible()
            page.get_by_role("link", name="Clear filters").click()
            expect(page).to_have_url(f"{site.url}/activity")
            assert window.complaints == []

    def test_a_source_is_told_and_asked_for(self, site: Site, vault: Home) -> None:
        """A key's read is not its owner's, and a browser is no command line."""
        asked = {"name": "robot", "environment": "live", "scopes": ["read:secrets"]}
        key = vault.post("/v1/api-keys", asked).json()["data"]["token"]
        stage.pull(site.stack, key, vault.full_name, "development")
        with site.visitor(vault.admin) as client:
            of_keys = client.get(f"/activity?vault={vault.full_name}&source=key").text
            assert of_keys.count('class="event"') == 1
            assert "API key" in of_keys
            assert "started a session" in client.get("/activity?source=browser").text
            assert "started a session" not in client.get("/activity?source=cli").text

    def test_a_long_list_has_pages_and_a_file_of_all_of_it(self, site: Site, vault: Home) -> None:
        """More rows than the backend gives at once, each of them once, in order; also as JSON."""
        login = vault.login_with("maintain")
        stage.pull(site.stack, stage.sign_in(site.stack, login), vault.full_name, "development")
        copied(site, login, ROWS - 2)
        with site.visitor(login) as client:
            query = "action=secrets_pulled"
            page = client.get(f"/activity?{query}&offset=1150").text
            assert f"of {ROWS - 1:,}</span>" in page
            assert page.count('class="event"') == 50
            rows = lines(client.get(f"/activity/export?{query}&format=csv").text)
            told = client.get(f"/activity/export?{query}&format=json").json()
        assert len({row["id"] for row in rows}) == len(rows) == ROWS - 1
        assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
        assert [row["id"] for row in told] == [row["id"] for row in rows]


def copied(site: Site, login: str, count: int) -> None:
    """The last read of somebody, written down so many times more, a minute before each other."""
    with psycopg.connect(site.stack.superuser_database_url) as connection:
        connection.execute(
            """INSERT INTO audit_events SELECT (r.row).* FROM (
                   SELECT jsonb_populate_record(a, jsonb_build_object(
                       'id', gen_random_uuid(), 'at', a.at - n * interval '1 minute')) AS row
                   FROM audit_events AS a CROSS JOIN generate_series(1, %s) AS n
                   WHERE a.actor_login = %s AND a.action = 'secrets_pulled') AS r""",
            (count, login),
        )
