"""From a template and its facts to a page. Everything is escaped; a name that a template does not know is an error."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from keyway_dashboard.nav import ACTIONS, PLACES, VAULT_TABS
from keyway_dashboard.sessions import Flash
from keyway_dashboard.static_files import StaticFiles

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"
_HUES: Final = 5
_STEPS: Final = ((60, 1, "second"), (3600, 60, "minute"), (86_400, 3600, "hour"), (30 * 86_400, 86_400, "day"),
                 (365 * 86_400, 30 * 86_400, "month"))  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """What the layout shows besides the page. `login` is empty for somebody who is not signed in."""

    path: str
    theme: str
    login: str = ""
    proof: str = ""
    flash: Flash | None = None


@dataclass(frozen=True)
class Trouble:
    """What went wrong, and what to do."""

    title: str
    text: str
    status: int
    again: bool = False


_TROUBLES: Final = {
    "foreign-form": Trouble(
        "This form is not from here", "It was sent from another page, or the page was open for too long. Nothing was "
        "changed. Go back, reload the page and try again.", 403,
    ),
    "missing": Trouble("There is no page at this address", "It may have been mistyped, or removed.", 404),
    "method": Trouble("This address takes no such request", "Nothing was changed.", 405),
    "large": Trouble(
        "That is too much at once", "A form may have 6 MiB. Nothing was changed. An environment holds at most 4 MiB of "
        "values.", 413,
    ),
    "broken": Trouble(
        "Something went wrong on our side", "Try again; if it stays, the log of the dashboard has the reason.", 500,
        again=True,
    ),
}  # fmt: skip


class Pages:
    """Renders the templates of this package."""

    def __init__(self, version: str, static: StaticFiles, frame_of: Callable[[Request], Frame]) -> None:
        self._frame_of = frame_of
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(version=version, asset=static.url, places=PLACES, palette_actions=ACTIONS)
        self._templates.globals.update(vault_tabs=VAULT_TABS)
        self._templates.filters.update(ago=ago, stamp=stamp, hue=hue, grouped=grouped)

    def page(self, name: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """`templates/<name>.html` as an answer. Every template learns `frame`."""
        return HTMLResponse(self._templates.get_template(f"{name}.html").render(**facts), status)

    def error(self, request: Request, name: str, status: int) -> Response:
        """A page for what `_TROUBLES` names."""
        return self.trouble(request, _TROUBLES[name], status)

    def trouble(self, request: Request, trouble: Trouble, status: int) -> Response:
        """What went wrong: a page, or for htmx a note in its place; after a write a toast, so that no form is lost.

        Who is signed in keeps the frame with its ways on.
        """
        frame = self._frame_of(request)
        if request.headers.get("hx-request") != "true":
            return self.page("trouble", status, frame=frame, trouble=trouble)
        if request.method == "GET":
            return self.page("parts/trouble", status, frame=frame, trouble=trouble)
        answer = self.page("parts/toast", status, frame=frame, text=f"{trouble.title}. {trouble.text}", tone="bad")
        answer.headers.update({"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"})
        return answer

    async def missing(self, request: Request, _error: Exception) -> Response:
        """The answer for an address that does not exist."""
        return self.error(request, "missing", 404)

    async def wrong_method(self, request: Request, _error: Exception) -> Response:
        """The answer for a method that an address does not take."""
        return self.error(request, "method", 405)

    async def too_large(self, request: Request, _error: Exception) -> Response:
        """The answer to a form of more bytes than are taken."""
        return self.error(request, "large", 413)

    async def broken(self, request: Request, _error: Exception) -> Response:
        """The answer when we failed."""
        return self.error(request, "broken", 500)


def ago(iso: str | None) -> str:
    """How long ago a moment was, in words."""
    if not iso:
        return "never"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()
    if -60 < seconds < 45:
        return "just now"
    size, unit = next(((size, unit) for below, size, unit in _STEPS if abs(seconds) < below), (365 * 86_400, "year"))
    count = max(1, int(abs(seconds) // size))
    words = f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def stamp(iso: str | None) -> str:
    """A moment to the minute, in UTC."""
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC") if iso else ""


def grouped(count: int) -> str:
    """A number as people read it: 54,451."""
    return f"{count:,}"


def hue(name: str) -> int:
    """The same colour for the same name."""
    return zlib.crc32(name.lower().encode()) % _HUES
