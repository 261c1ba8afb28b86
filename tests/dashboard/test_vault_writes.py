"""What the writes of a vault's page refuse: people without the right, files that are none, what nobody looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest
from dashboard_browser import Site
from keyway_core import dotenv
from keyway_dashboard.http import BODY_BYTES
from keyway_dashboard.visits import Visit
from oracle import canaries, stage
from oracle.cast import NEW_VAULT
from oracle.stage import GitHub, Home
from starlette.requests import Request
from visitor import Visitor

TOO_LATE = "Somebody saved first. Nothing of yours was imported; look again."
ANOTHER = "What you chose is not what was looked at."


@pytest.fixture(scope="module")
def vault(site: Site) -> Home:
    """A vault with something in each environment."""
    made = stage.home(site.stack, "writes", keep=False)
    for environment in NEW_VAULT:
        alone = {f"IN_{environment.upper()}_ALONE": canaries.new("L")}
        assert made.push({"KEY": canaries.new("W"), "OTHER": canaries.new("O")} | alone, environment).status == 200
    return made


@pytest.fixture(scope="module")
def admin(site: Site, vault: Home) -> Iterator[Visitor]:
    """Its administrator."""
    with site.visitor(vault.admin) as somebody:
        yield somebody


def keys(vault: Home, field: str) -> dict[str, str]:
    """A field of the secret KEY in each environment."""
    listed = vault.get(f"/v1/vaults/{vault.full_name}/secrets").json()["data"]
    return {one["environment"]: one[field] for one in listed if one["key"] == "KEY"}


def everything(vault: Home) -> list[str]:
    """All values."""
    return [value for environment in NEW_VAULT for value in vault.values(environment).values()]


def writes(vault: Home, environment: str, into: str) -> list[tuple[str, dict[str, str]]]:
    """Every write of the page on KEY of an environment, and a copy of it into another one."""
    page, id_, seen = f"/vaults/{vault.full_name}", keys(vault, "id")[environment], keys(vault, "updatedAt")
    text = {"environment": environment, "text": "KEY=hostile"}
    return [
        (
            f"{page}/secrets/save",
            {"environment": environment, "key": "KEY", "value": "hostile", "seen": seen[environment]},
        ),
        (f"{page}/secrets/{id_}/rename", {"key": "KEY", "new_name": "HOSTILE"}),
        (f"{page}/secrets/{id_}/copy", {"target": into, "seen": seen[into]}),
        (f"{page}/secrets/{id_}/delete", {}),
        (f"{page}/import/preview", text),
        (f"{page}/import", text),
    ]


def hidden(answer: httpx.Response, name: str) -> str:
    """A field that a part of a page carries."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found, answer.text
    return found[1]


class TestRights:
    """Who may not, may not by hand either."""

    def test_who_may_only_read_writes_nothing_and_sees_nothing_that_is_protected(self, site: Site, vault: Home) -> None:
        """Every write of every environment is refused; a protected environment is neither shown nor handed out."""
        before, secret = vault.state(), keys(vault, "id")
        with site.visitor(vault.login_with("read")) as reader:
            page = reader.text(f"/vaults/{vault.full_name}")
            told = re.findall(r'data-state="(\w+)" data-at="production"', page)
            assert (set(told), len(told) > 1, "IN_PRODUCTION_ALONE" in page) == ({"hidden"}, True, False)
            assert 'aria-label="Reveal KEY in staging"' in page
            for button in ("Reveal KEY in production", "Edit KEY", "Add secret", "/import", "<option>production"):
                assert button not in page
            for environment in NEW_VAULT:
                for path, fields in writes(vault, environment, "staging"):
                    answer = reader.post(path, **fields)
                    assert answer.status_code in {403, 404}, (path, fields, answer.status_code)
            assert "production" not in reader.text(f"/vaults/{vault.full_name}/import")
            for path, fields in (
                (f"/vaults/{vault.full_name}/secrets/{secret['production']}/reveal", {}),
                (f"/vaults/{vault.full_name}/download", {"environment": "production"}),
            ):
                answer = reader.post(path, **fields)
                assert answer.status_code in {403, 404}
                assert [value for value in everything(vault) if value in answer.text] == []
            assert reader.get(f"/vaults/{vault.full_name}/secrets/{secret['production']}").status_code == 404
            assert reader.post(f"/vaults/{vault.full_name}/download", environment="staging").status_code == 200
        assert vault.state() == before

    def test_who_may_write_does_not_write_what_is_protected(self, site: Site, vault: Home) -> None:
        """A protected environment can be read with that role, and is changed by no form, nor filled by a copy."""
        before, secret = vault.state(), keys(vault, "id")
        with site.visitor(vault.login_with("write")) as writer:
            page = writer.text(f"/vaults/{vault.full_name}")
            assert "Edit KEY in staging" in page
            assert "Edit KEY in production" not in page
            for path, fields in writes(vault, "production", "production"):
                assert writer.post(path, **fields).status_code in {400, 403}, path
            path = f"/vaults/{vault.full_name}/secrets/{secret['staging']}/copy"
            assert (
                writer.post(path, target="production", seen=keys(vault, "updatedAt")["production"]).status_code == 403
            )
        assert vault.state() == before

    def test_whoever_lost_the_session_or_the_role_writes_and_sees_nothing(self, site: Site, vault: Home) -> None:
        """A revoked session leads to the sign-in; somebody who was removed finds no vault."""
        before, login = vault.state(), vault.login_with("write")
        page, secret = f"/vaults/{vault.full_name}", keys(vault, "id")["staging"]
        with site.visitor(login, fresh=True) as left, site.visitor(login) as removed:
            assert left.post(f"{page}/secrets/{secret}/reveal").status_code == 200
            ended = dict(left.jar)
            assert left.post("/sign-out").status_code == 303
            left.jar.update(ended)
            for path, fields in [*writes(vault, "staging", "development"), (f"{page}/secrets/{secret}/reveal", {})]:
                assert left.post(path, **fields).headers.get("location", "").startswith("/sign-in"), path
            GitHub(site.stack).do("set-role", repo=vault.full_name, login=login, role=None, webhook=True)
            removed.until_status(page, 404)
            for path, fields in [*writes(vault, "staging", "development"), (f"{page}/secrets/{secret}/reveal", {})]:
                answer = removed.post(path, **fields)
                assert answer.status_code in {403, 404}, path
                assert [value for value in everything(vault) if value in answer.text] == []
        assert vault.state() == before


SECRET = canaries.new("H")
NOT_A_FILE: dict[str, tuple[bytes, str]] = {
    "no assignment": (f"A=1\n\n{SECRET}\n".encode(), "Line 3: "),
    "a name with a blank": (f"A=1\nMY KEY={SECRET}\n".encode(), "Line 2: "),
    "an open quote": (f"A=1\nB='{SECRET}\nC=2\n".encode(), "Line 2: "),
    "text behind a quote": (f"A=1\nB='x' {SECRET}\n".encode(), "Line 2: "),
    "twice the same": (f"A={SECRET}\nB=1\nA={SECRET}\n".encode(), "Line 3: A is set here and on line 1"),
    "UTF-16": (f"A={SECRET}\n".encode("utf-16"), "UTF-16"),
    "no UTF-8": (b"A=1\nB=\xff" + SECRET.encode() + b"\n", "Line 2: "),
    "NUL": (f"A=1\nB={SECRET}\0\n".encode(), "Line 2: "),
    "a lone carriage return": (f"A=1\nB={SECRET}\rC=2\n".encode(), "Line 2: "),
    "a name that programs obey": (f"A=1\nLD_PRELOAD={SECRET}\n".encode(), "Line 2, LD_PRELOAD: "),
    "a value that is too long": (f"A=1\n\nB={SECRET}{'x' * 65_536}\n".encode(), "Line 3, B: "),
    "too many keys": ("".join(f"K{n}={SECRET}\n" for n in range(1001)).encode(), "at most 1000"),
    "nothing": (b"# a comment\n\n", "no KEY=value"),
    "markup": (f"<script>alert(1)</script>{SECRET}\n".encode(), "Line 1: "),
}


class TestImport:
    """What is no .env file, and what nobody looked at."""

    @pytest.mark.parametrize("what", NOT_A_FILE)
    def test_a_hostile_file_is_refused_with_its_line_and_without_its_text(
        self, admin: Visitor, vault: Home, what: str
    ) -> None:
        """Looked at or imported, as a file or, where a form can hold it, pasted: nothing is written nor repeated."""
        data, told = NOT_A_FILE[what]
        before, page = vault.state(), f"/vaults/{vault.full_name}/import"
        answers = [admin.post(path, file=data, environment="staging") for path in (page, f"{page}/preview")]
        if what not in {"UTF-16", "no UTF-8", "NUL", "a lone carriage return"}:
            answers.append(
                admin.post(f"{page}/preview", text=data.decode().replace("\n", "\r\n"), environment="staging")
            )
        for answer in answers:
            assert answer.status_code == 200
            assert told in answer.text.replace("&#39;", "'")
            assert 'role="alert"' in answer.text
            assert SECRET not in answer.text
            assert "<script" not in answer.text
        assert vault.state() == before

    def test_only_what_was_looked_at_is_imported(self, site: Site, admin: Visitor, vault: Home) -> None:
        """Another text, environment, revision or mark, somebody else's mark, none: another look and nothing written."""
        before, page = vault.state(), f"/vaults/{vault.full_name}/import"
        form = {"environment": "staging", "text": "LOOKED=at\n"}
        look = admin.post(f"{page}/preview", **form)
        seen = {"revision": hidden(look, "revision"), "mark": hidden(look, "mark")}
        assert vault.state() == before
        with site.visitor(vault.admin, fresh=True) as elsewhere:
            assert ANOTHER in elsewhere.post(page, **form, **seen).text
        for other in (
            {"text": "LOOKED=elsewhere\n"}, {"text": "LOOKED=at\nMORE=1\n"}, {"environment": "development"},
            {"revision": "00000000-0000-7000-8000-000000000000"}, {"revision": ""}, {"mark": ""}, {"mark": "é" * 64},
        ):  # fmt: skip
            assert ANOTHER in admin.post(page, **(form | seen | other)).text, other
            assert vault.state() == before
        assert admin.post(page, **form, **seen).status_code == 303
        assert vault.values("staging") == before["staging"][2] | {"LOOKED": "at"}

    def test_who_saved_between_the_look_and_the_import_is_not_overwritten(self, admin: Visitor, vault: Home) -> None:
        """The import is refused and looked at again; the second look is one to import from."""
        page = f"/vaults/{vault.full_name}/import"
        form = {"environment": "development", "text": "KEY=mine\n"}
        look = admin.post(f"{page}/preview", **form)
        theirs = {"repoFullName": vault.full_name, "environment": "development", "mode": "merge"}
        assert vault.post("/v1/secrets/push", theirs | {"secrets": {"KEY": "theirs"}}).status == 200
        again = admin.post(page, **form, revision=hidden(look, "revision"), mark=hidden(look, "mark"))
        assert TOO_LATE in again.text
        assert vault.values("development")["KEY"] == "theirs"
        assert (
            admin.post(page, **form, revision=hidden(again, "revision"), mark=hidden(again, "mark")).status_code == 303
        )
        assert vault.values("development")["KEY"] == "mine"

    def test_an_upload_is_bounded_and_stays_in_memory(self, admin: Visitor, vault: Home) -> None:
        """Over the limit it is refused with a page; a large one below it makes no file on the dashboard's disk."""
        page = f"/vaults/{vault.full_name}/import/preview"
        answer = admin.post(page, file=b"A=" + b"x" * BODY_BYTES, environment="staging")
        assert (answer.status_code, "That is too much at once" in answer.text) == (413, True)
        lines = b"".join(b"K%d=%s\n" % (n, b"x" * 60_000) for n in range(60))
        assert "60" in admin.post(page, file=lines, environment="staging").text
        form = httpx.Request("POST", "http://x", files={"file": ("x.env", lines)})
        assert len(form.read()) < BODY_BYTES
        assert not _rolled(form)


def _rolled(request: httpx.Request) -> bool:
    """Whether the file of a form was written to a disk while it was read as the dashboard reads it."""

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": request.content, "more_body": False}

    async def read() -> bool:
        scope = {"type": "http", "method": "POST", "headers": [(k.lower(), v) for k, v in request.headers.raw]}
        form = await Visit(Request(scope, receive), None, None).form()  # type: ignore[arg-type]
        rolled = bool(form["file"].file._rolled)  # type: ignore[union-attr]
        await form.close()
        return rolled

    # The thread of the tests has the browser's event loop.
    with ThreadPoolExecutor(1) as own:
        return own.submit(anyio.run, read).result()


class TestDownload:
    """A file of values."""

    def test_it_reads_back_exactly_is_recorded_and_kept_by_no_cache(self, admin: Visitor, vault: Home) -> None:
        """Whatever the values hold; as a pull of this person; under a harmless name."""
        hard = {"LINES": "a\n\n b\n", "QUOTES": "'\"`$(id)${X}\\", "BLANKS": "  x  ", "HASH": "a # b", "CR": "a\r\nb"}
        body = {"repoFullName": vault.full_name, "environment": "staging", "mode": "merge", "secrets": hard}
        assert vault.post("/v1/secrets/push", body).status == 200
        before = _pulls(vault)
        answer = admin.post(f"/vaults/{vault.full_name}/download", environment="staging")
        assert len(_pulls(vault) - before) == 1
        assert {key: value.reveal() for key, value in dotenv.parse(answer.text).items()} == vault.values("staging")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-disposition"].startswith("attachment; ")

    def test_what_is_not_there_is_told(self, admin: Visitor, vault: Home) -> None:
        """An empty environment, or none of that name, is a sentence and no file."""
        answer = admin.post(f"/vaults/{vault.full_name}/download", environment="nowhere")
        assert answer.status_code != 200
        assert "content-disposition" not in answer.headers


def _pulls(vault: Home) -> set[str]:
    """The latest pulls that the vault's activity tells of."""
    told = vault.get(f"/v1/vaults/{vault.full_name}/activity?limit=100").json()["data"]
    events = told if isinstance(told, list) else told["activities"]
    return {event["id"] for event in events if event["action"] == "secrets_pulled"}
