"""Assistants: how to connect one, and what this person's assistants did."""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response

from keyway_dashboard.backend import path
from keyway_dashboard.features.activity import words
from keyway_dashboard.features.activity.models import Filters, Item
from keyway_dashboard.features.assistants.configurations import configurations
from keyway_dashboard.visits import Visit, get

_SHOWN: Final = 8
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}")


async def connect(visit: Visit) -> Response:
    """The configuration of every common assistant, for the repository that it is started in, or for one `vault`."""
    wanted = visit.query("vault").strip()
    vault = wanted if _REPOSITORY.fullmatch(wanted) else ""
    source = words.SOURCES["assistant"].asked["source"]
    api_url = visit.services.settings.api_url
    return visit.page(
        "assistants/connect",
        api_url=api_url,
        configurations=configurations(api_url, vault),
        filters=Filters(vault=vault),
        wrong=bool(wanted) and not vault,
        done=await visit.api.page(path("activity"), Item, limit=_SHOWN, source=source),
    )


ROUTES = [get("/assistants", connect)]
