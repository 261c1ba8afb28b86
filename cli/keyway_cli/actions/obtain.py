"""Values for a program: from the server, or from this machine where somebody allowed that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from keyway_cli.actions.context import Context
from keyway_cli.actions.fetch import fetch, note
from keyway_cli.api import Api, Place, Pulled
from keyway_cli.errors import KeywayError, NoAccess, NotSignedIn, Unavailable

if TYPE_CHECKING:
    from keyway_cli.cache import Cache, Kept


class Caching(NamedTuple):
    """Whether values may come from this machine: `max_age` in seconds keeps them, `offline` asks no server."""

    max_age: float | None = None
    offline: bool = False


def obtain(context: Context, place: Place, caching: Caching) -> Pulled:
    """The values of an environment. Without a wish for a cache none is read or written."""
    if caching.max_age is None and not caching.offline:
        return fetch(context, context.api(), place)
    from keyway_cli.cache import Cache

    cache = Cache(context.settings.cache, context.api_url(), place, context.credential().token)
    if caching.offline:
        return _offline(context, place, cache, caching.max_age)
    return _revalidated(context, context.api(), place, cache, caching.max_age or 0.0)


def _offline(context: Context, place: Place, cache: Cache, max_age: float | None) -> Pulled:
    kept = cache.load()
    hint = "with the server in reach: keyway run --cache-max-age 12h -- COMMAND"
    if kept is None:
        raise Unavailable(f"no values of {place} are kept on this machine for this sign-in", hint)
    if not kept.usable(max_age):
        raise Unavailable(f"the values of {place} that are kept here are too old", hint)
    return _used(context, place, kept, "offline")


def _revalidated(context: Context, api: Api, place: Place, cache: Cache, max_age: float) -> Pulled:
    """Asks the server whether what is kept is current. Keeps what it answers; who is refused loses what is kept."""
    kept = cache.load()
    try:
        pulled, tag = api.pull_unless(place, kept.tag if kept else "")
    except Unavailable as error:
        if kept is None or not kept.usable(max_age):
            raise
        return _used(context, place, kept, error.message)
    except (NoAccess, NotSignedIn):
        cache.forget()
        raise
    if pulled is None:
        pulled = kept.pulled if kept else Pulled({}, None)
    note(context, place, pulled.revision)
    try:
        cache.save(pulled, tag, max_age)
    except KeywayError as error:
        context.terminal.warn(f"{error.message}; these values are not kept")
    return pulled


def _used(context: Context, place: Place, kept: Kept, why: str) -> Pulled:
    """Says that values are old, and how old."""
    from keyway_cli.cache import spoken

    number = f", revision {kept.pulled.revision.number}" if kept.pulled.revision else ""
    context.terminal.warn(f"{why}: using values of {place} from {spoken(kept.age())} ago{number}")
    return kept.pulled
