"""The environments of a vault: list, create, rename, type, delete; and who may."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dashboard_browser import Site
from oracle import stage
from oracle.stage import Home
from playwright.sync_api import expect
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault whose environments the tests change."""
    made = stage.home(site.stack, "places")
    assert made.push({"LIVE": "1"}, "production").status == 200
    return made


@pytest.fixture(scope="module")
def admin(site: Site, vault: Home) -> Iterator[Visitor]:
    """The administrator."""
    with site.visitor(vault.admin) as admin:
        yield admin


def environments(vault: Home) -> dict[str, str]:
    """Types by name, as the API has them."""
    found = vault.get(f"/v1/vaults/{vault.full_name}/environments").json()["data"]["environments"]
    return {one["name"]: one["type"] for one in found}


def test_one_is_made_renamed_retyped_and_deleted(site: Site, vault: Home) -> None:
    """The whole life of an environment. Its end wants its name typed."""
    with site.window(vault.admin) as window:
        page = window.go(f"/vaults/{vault.full_name}")
        status = page.get_by_role("status")
        page.get_by_role("link", name="Environments", exact=True).click()
        rows = page.get_by_role("list", name="Environments").get_by_role("listitem")
        expect(rows).to_have_count(3)
        expect(rows.filter(has_text="production")).to_contain_text("protected")
        expect(rows.filter(has_text="production")).to_contain_text(f"by {vault.admin}")
        page.get_by_label("Name").fill("preview")
        page.get_by_role("button", name="Add environment").click()
        expect(status.filter(has_text="preview was made. Its type is standard.")).to_be_visible()
        assert vault.push({"KEPT": "here"}, "preview").status == 200
        page.get_by_role("radio", name="protected").check()
        page.get_by_role("button", name="Save type").click()
        expect(status.filter(has_text="preview was standard and is protected now.")).to_be_visible()
        page.get_by_label("New name").fill("canary")
        page.get_by_role("button", name="Rename").click()
        expect(status.filter(has_text="preview is called canary now.")).to_be_visible()
        expect(page).to_have_url(f"{site.url}/vaults/{vault.full_name}/environments/canary")
        assert environments(vault)["canary"] == "protected"
        assert vault.values("canary") == {"KEPT": "here"}
        page.get_by_label("Type canary to confirm").fill("canary")
        page.get_by_role("button", name="Delete canary").click()
        expect(status.filter(has_text="canary was deleted with everything in it.")).to_be_visible()
        expect(rows).to_have_count(3)
        assert "canary" not in environments(vault)
        assert window.complaints == []


def test_what_is_wrong_is_said_in_place(vault: Home, admin: Visitor) -> None:
    """A bad name, a name that is taken, a name that was not typed, less protection without a word: told, not done."""
    base = f"/vaults/{vault.full_name}/environments"
    before = environments(vault)
    cases = [
        (f"{base}/add", {"name": "Not Good"}, "2 to 30 characters"),
        (f"{base}/add", {"name": "staging"}, "The vault has an environment staging already."),
        (f"{base}/staging/rename", {"name": "production"}, "The vault has an environment production already."),
        (f"{base}/staging/delete", {"typed": "stagin"}, "Type staging to delete it. Nothing was deleted."),
        (f"{base}/staging/delete", {}, "Type staging to delete it. Nothing was deleted."),
        (f"{base}/production/type", {"type": "standard"}, "Tick this to let more people in. Nothing was changed."),
        (f"{base}/production/type", {"type": "anything", "sure": "yes"}, "That cannot be done so"),
    ]
    for path, fields, told in cases:
        answer = admin.post(path, **fields)
        assert (answer.status_code, told in answer.text) == (400, True), (path, fields)
    assert admin.post(f"{base}/nothing/delete", typed="nothing").status_code == 404
    assert environments(vault) == before
    assert admin.post(f"{base}/production/type", type="standard", sure="yes").status_code == 303
    assert environments(vault)["production"] == "standard"
    assert admin.post(f"{base}/production/type", type="protected").status_code == 303


def test_the_last_one_stays(site: Site) -> None:
    """It has no form to delete it, and a form by hand is refused."""
    alone = stage.home(site.stack, "alone", keep=False)
    base = f"/vaults/{alone.full_name}/environments"
    with site.visitor(alone.admin) as admin:
        for name in ("staging", "production"):
            assert admin.post(f"{base}/{name}/delete", typed=name).status_code == 303
        told = admin.get(f"{base}/development").text
        assert ("keeps at least one environment" in told, "development/delete" in told) == (True, False)
        assert admin.post(f"{base}/development/delete", typed="development").status_code == 403
    assert list(environments(alone)) == ["development"]


@pytest.mark.parametrize("role", ["read", "write", "maintain", "nobody"])
def test_only_admins_are_offered_a_change_and_nobody_else_can_make_one(site: Site, vault: Home, role: str) -> None:
    """Every role below sees the list without a form; every write by hand is refused, to strangers as if it were not."""
    before = environments(vault)
    base = f"/vaults/{vault.full_name}/environments"
    login = site.person("stranger") if role == "nobody" else vault.login_with(role)
    refused = 404 if role == "nobody" else 403
    with site.visitor(login) as person:
        told = person.get(base)
        assert told.status_code == (404 if role == "nobody" else 200)
        assert ("environments/add" in told.text, f"{base}/production" in told.text) == (False, False)
        assert person.get(f"{base}/production").status_code == refused
        writes = {
            "add": {"name": "sneaked"},
            "staging/rename": {"name": "sneaked"},
            "staging/type": {"type": "development"},
            "production/type": {"type": "development", "sure": "yes"},
            "staging/delete": {"typed": "staging"},
        }
        for path, fields in writes.items():
            assert person.post(f"{base}/{path}", **fields).status_code == refused, path
    assert environments(vault) == before
