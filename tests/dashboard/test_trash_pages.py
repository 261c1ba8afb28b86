"""The trash of a vault: what was deleted comes back, or is forgotten for good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from dashboard_browser import Site
from oracle import canaries, stage
from oracle.stage import Home
from playwright.sync_api import expect
from visitor import Visitor


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault whose trash the tests fill."""
    return stage.home(site.stack, "trash", keep=False)


@pytest.fixture(scope="module")
def writer(site: Site, vault: Home) -> Iterator[Visitor]:
    """Somebody who may write to staging, only read production, and administers nothing."""
    with site.visitor(vault.login_with("write")) as writer:
        yield writer


def trashed(vault: Home, environment: str, *keys: str) -> None:
    """Puts keys into the trash."""
    body = {"repoFullName": vault.full_name, "environment": environment, "mode": "merge"}
    values = {key: canaries.new("T") for key in keys}
    assert vault.post("/v1/secrets/push", body | {"secrets": values}).status == 200
    assert vault.post("/v1/secrets/push", body | {"secrets": {}, "delete": list(keys)}).status == 200


def trash(vault: Home) -> dict[tuple[str, str], str]:
    """What lies in it: ids by key and environment."""
    found: list[dict[str, Any]] = vault.get(f"/v1/vaults/{vault.full_name}/trash").json()["data"]
    return {(one["key"], one["environment"]): str(one["id"]) for one in found}


def test_it_comes_back_or_goes_for_good(site: Site, vault: Home) -> None:
    """Restored; not over a key that is there again; deleted after a question; emptied after a question."""
    trashed(vault, "staging", "BACK", "TAKEN", "AWAY", "LAST")
    assert vault.push({"TAKEN": "anew"}, "staging").status == 200
    with site.window(vault.admin) as window:
        page = window.go(f"/vaults/{vault.full_name}")
        page.get_by_role("link", name="Trash", exact=True).click()
        rows = page.get_by_role("list", name="Trash").get_by_role("listitem")
        status = page.get_by_role("status")
        expect(rows).to_have_count(4)
        expect(rows.first).to_contain_text("gone in 30 days")
        page.get_by_role("button", name="Restore BACK in staging").click()
        expect(status.filter(has_text="BACK is back in staging.")).to_be_visible()
        page.get_by_role("button", name="Restore TAKEN in staging").click()
        expect(status.filter(has_text="There is a secret TAKEN in this environment again.")).to_be_visible()
        assert set(vault.values("staging")) == {"BACK", "TAKEN"}
        assert vault.values("staging")["TAKEN"] == "anew"
        page.get_by_role("button", name="Delete AWAY in staging for good").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert ("AWAY", "staging") in trash(vault)
        page.get_by_role("button", name="Delete AWAY in staging for good").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
        expect(status.filter(has_text="deleted for good.")).to_be_visible()
        assert set(trash(vault)) == {("TAKEN", "staging"), ("LAST", "staging")}
        page.get_by_role("button", name="Empty the trash").click()
        page.get_by_role("button", name="Delete all for good").click()
        expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
        assert trash(vault) == {}
        assert window.complaints == []


def test_more_than_was_looked_at_is_not_emptied(site: Site, vault: Home) -> None:
    """Somebody deleted another key between the question and the answer; and one that is gone is said to be gone."""
    trashed(vault, "production", "SEEN")
    page = f"/vaults/{vault.full_name}/trash"
    with site.visitor(vault.admin) as admin:
        found = re.search(r'name="seen" value="(\d+)"', admin.get(page).text)
        assert found
        trashed(vault, "production", "UNSEEN")
        assert admin.post(f"{page}/empty", seen=found[1]).status_code == 303
        assert "Nothing was deleted; look again." in admin.get(page).text
        assert admin.post(f"{page}/empty").status_code == 303
        kept = trash(vault)
        assert {"SEEN", "UNSEEN"} <= {key for key, _ in kept}
        for act in ("purge", "restore"):
            assert admin.post(f"{page}/00000000-0000-7000-8000-000000000000/{act}").status_code == 303
            assert "It is not in the trash any more." in admin.get(page).text
        assert trash(vault) == kept


def test_who_may_not_is_offered_nothing_and_refused(site: Site, vault: Home, writer: Visitor) -> None:
    """Write to staging alone: buttons for staging alone. Emptying is for admins. Names are for those who may read."""
    trashed(vault, "staging", "THEIRS")
    trashed(vault, "production", "GUARDED")
    kept = trash(vault)
    page = f"/vaults/{vault.full_name}/trash"
    told = writer.get(page).text
    mine, guarded = kept["THEIRS", "staging"], kept["GUARDED", "production"]
    assert "GUARDED" in told
    assert (f"{mine}/restore" in told, f"{mine}/purge" in told) == (True, True)
    assert (guarded in told, "trash/empty" in told) == (False, False)
    for path in (f"{guarded}/restore", f"{guarded}/purge", "empty"):
        assert writer.post(f"{page}/{path}", seen=str(len(kept))).status_code == 403
    with site.visitor(vault.login_with("read")) as reader:
        told = reader.get(page).text
        assert ("THEIRS" in told, "GUARDED" in told, "/restore" in told, "/purge" in told) == (
            True,
            False,
            False,
            False,
        )
        for path in (f"{mine}/restore", f"{mine}/purge", f"{guarded}/restore", "empty"):
            assert reader.post(f"{page}/{path}", seen=str(len(kept))).status_code == 403
    with site.visitor(site.person("stranger")) as stranger:
        for path in (f"{mine}/restore", f"{mine}/purge", "empty"):
            assert stranger.post(f"{page}/{path}", seen=str(len(kept))).status_code == 404
    assert trash(vault) == kept
