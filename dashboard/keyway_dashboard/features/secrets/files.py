"""A .env file, in and out. An upload is looked at first; between the look and the import it stays in the browser alone:
the page is sent again as a whole, and a mark says whether it is still what was looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from keyway_core import dotenv
from keyway_core.dotenv import Dotenv, DotenvError
from keyway_core.sensitive import Sensitive
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from keyway_dashboard.backend import BackendError, Conflict, Invalid, Missing, path
from keyway_dashboard.features.secrets.models import Preview, Pulled, Pushed
from keyway_dashboard.features.secrets.saving import words
from keyway_dashboard.features.vaults.place import of, opened, url
from keyway_dashboard.visits import Visit

_SECRETS_JSON: Final = "application/vnd.keyway.secrets+json"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


class UnreadableError(ValueError):
    """An upload that is no .env file; the reason names the line and no value."""


@dataclass(frozen=True)
class Upload:
    """What somebody wants to import."""

    environment: str
    values: Dotenv

    @property
    def plain(self) -> dict[str, str]:
        """The values, for the backend."""
        return {key: value.reveal() for key, value in self.values.items()}

    def content(self, revision: str) -> str:
        """A short text that is another one when anything of it is. For a mark under our key, never by itself."""
        text = json.dumps([self.environment, revision, sorted(self.plain.items())])
        return hashlib.sha256(text.encode()).hexdigest()


async def choose(visit: Visit) -> Response:
    """The form: an environment, and the text or the file."""
    place = await opened(visit)
    writable = [one for one in place.columns if one.access.write]
    return visit.page("secrets/import", vault=place.vault, columns=writable, environment=visit.query("environment"))


async def preview(visit: Visit) -> Response:
    """What the import would change, in names. Nothing is written."""
    return await _looked_at(visit, await visit.form())


async def take(visit: Visit) -> Response:
    """The import, if it is what was looked at and the environment still stands where it stood; else another look."""
    form = await visit.form()
    seen, mark = str(form.get("revision", "")), str(form.get("mark", ""))
    try:
        upload = await _upload(form)
    except UnreadableError as error:
        return visit.part("secrets/problem", problem=str(error))
    if not visit.services.cookies.marked(visit.session, upload.content(seen), mark):
        return await _looked_at(visit, form, "What you chose is not what was looked at. This is what it changes now.")
    body = {"repoFullName": url(visit).removeprefix("/vaults/"), "environment": upload.environment}
    body |= {"mode": "merge", "secrets": upload.plain}  # type: ignore[dict-item]
    try:
        await visit.api.post(path("secrets", "push"), Pushed, body, if_match=f'"{seen}"' if seen else "")
    except Conflict:
        return await _looked_at(visit, form, "Somebody saved first. Nothing of yours was imported; look again.")
    except Invalid as error:
        return visit.part("secrets/problem", problem=_told(error, upload))
    count = len(upload.values)
    return visit.go(url(visit), f"{count} key{'s' if count > 1 else ''} imported into {upload.environment}.")


async def download(visit: Visit) -> Response:
    """An environment as a .env file. A POST: it is recorded as a pull, and no other site can cause it."""
    environment = str((await visit.form()).get("environment", ""))
    repository = url(visit).removeprefix("/vaults/")
    try:
        pulled = await visit.api.get(
            path("secrets", "pull"), Pulled, accept=_SECRETS_JSON, repo=repository, environment=environment
        )
    except Missing:
        return visit.go(url(visit), f"There is nothing in {environment} to download.", "bad")
    text = dotenv.render({key: Sensitive(value) for key, value in sorted(pulled.secrets.items())})
    name = _UNSAFE.sub("-", f"{visit.step('name')}.{environment}.env")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


async def _looked_at(visit: Visit, form: FormData, notice: str = "") -> Response:
    try:
        upload = await _upload(form)
    except UnreadableError as error:
        return visit.part("secrets/problem", problem=str(error))
    address = of(visit, "environments", upload.environment, "import", "preview")
    try:
        found = await visit.api.post(address, Preview, {"secrets": upload.plain})
    except Invalid as error:
        return visit.part("secrets/problem", problem=_told(error, upload))
    revision = found.revision.id if found.revision else ""
    return visit.part(
        "secrets/preview",
        found=found,
        environment=upload.environment,
        notice=notice,
        revision=revision,
        mark=visit.services.cookies.mark(visit.session, upload.content(revision)),
        action=f"{url(visit)}/import",
    )


async def _upload(form: FormData) -> Upload:
    """What was chosen. Raises UnreadableError."""
    text, file = str(form.get("text", "")), form.get("file")
    data = await file.read() if isinstance(file, UploadFile) else b""
    if isinstance(file, UploadFile):
        await file.seek(0)
    if text.strip() and data:
        raise UnreadableError("Either paste the text or choose a file, not both. Nothing was imported.")
    try:
        values = dotenv.parse(dotenv.decode(data) if data else text)
    except DotenvError as error:
        raise UnreadableError(f"Line {error.line}: {error.reason}. Nothing was imported.") from None
    if not values:
        raise UnreadableError("There is no KEY=value in it.")
    return Upload(str(form.get("environment", "")), values)


def _told(error: BackendError, upload: Upload) -> str:
    """The backend's reason, with the line of the key that it is about."""
    told = []
    for one in error.fields:
        key = one.field.removeprefix("secrets.")
        place = f"Line {upload.values.line(key)}, {key}: " if key in upload.values else ""
        told.append(f"{place}{one.message}")
    return " ".join([*told, "Nothing was imported."]) if told else f"{words(error)} Nothing was imported."
