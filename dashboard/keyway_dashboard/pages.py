"""From a template and its facts to a page. Everything is escaped; a name that a template does not know is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"


class Pages:
    """Renders the templates of this package. Each learns `version` besides what it is given."""

    def __init__(self, version: str) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["version"] = version

    def page(self, name: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """`templates/<name>.html` as an answer."""
        return HTMLResponse(self._templates.get_template(f"{name}.html").render(**facts), status)

    async def missing(self, _request: Request, _error: Exception) -> HTMLResponse:
        """The answer for an address that does not exist."""
        return self.page("missing", 404)

    async def broken(self, _request: Request, _error: Exception) -> HTMLResponse:
        """The answer when we failed."""
        return self.page("broken", 500)
