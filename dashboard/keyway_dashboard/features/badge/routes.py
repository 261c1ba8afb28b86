"""The badge that a README shows, and the lines that put it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.visits import Services, Visit, open_get

_DAY: Final = 86_400
_IMAGE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" width="118" height="20" role="img" aria-label="secrets: Keyway">\
<title>secrets: Keyway</title><rect width="118" height="20" rx="4" fill="#3f3f46"/>\
<path d="M54 0h60a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4H54z" fill="#0f766e"/>\
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">\
<text x="27" y="14" textLength="42">secrets</text><text x="86" y="14" textLength="44">Keyway</text></g></svg>
"""


@dataclass(frozen=True)
class Badge:
    """What a README needs."""

    image: str
    markdown: str


def badge_of(visit: Visit, vault: Vault) -> Badge:
    """The badge of a vault, as `keyway readme` writes it."""
    home = visit.services.settings.dashboard_url
    image = f"/badge.svg?repo={vault.full_name}"
    return Badge(image, f"[![Keyway]({home}{image})]({home}{vault.url})")


async def image(_request: Request, _services: Services) -> Response:
    """The same picture for everybody and every `repo`, which is not looked at: it tells of no repository whether it
    exists. Other sites may show it, and caches keep it."""
    headers = {"Cache-Control": f"public, max-age={_DAY}", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(_IMAGE, media_type="image/svg+xml", headers=headers)


ROUTES = [open_get("/badge.svg", image)]
