"""What an event of GitHub takes away at once: every role that was remembered, or asked for, before it.

A generation is raised per repository or per person. A role that was asked for before that moment is not believed any
more and cannot be stored afterwards (`access.store`); for two minutes the next answers are believed for ten seconds
only, because GitHub may lag behind its own events.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, LiteralString

from keyway_backend.db.engine import Connection, run

# In one order everywhere, so that two deliveries never wait for one another.
_RAISE: Final[LiteralString] = """
    INSERT INTO access_generations (kind, github_id, generation, raised_at)
    SELECT kind, github_id, 1, clock_timestamp() FROM (
        SELECT 'repository' AS kind, unnest(%(repositories)s::bigint[]) AS github_id
        UNION SELECT 'repository', github_repo_id FROM vaults
        WHERE github_owner_id = ANY(%(owners)s) AND deleted_at IS NULL
        UNION SELECT 'repository', github_repo_id FROM role_cache WHERE installation_id = ANY(%(installations)s)
        UNION SELECT 'user', unnest(%(people)s::bigint[])) AS concerned
    ORDER BY kind, github_id
    ON CONFLICT (kind, github_id) DO UPDATE
        SET generation = access_generations.generation + 1, raised_at = excluded.raised_at"""

_FORGET: Final[LiteralString] = "DELETE FROM access_generations WHERE raised_at < now() - interval '7 days'"


async def raise_generations(
    connection: Connection,
    *,
    repositories: Iterable[int] = (),
    people: Iterable[int] = (),
    owners: Iterable[int] = (),
    installations: Iterable[int] = (),
) -> int:
    """Ends what was believed of repositories and people, by number; `owners` and `installations` stand for all of
    their repositories that we know. How many were raised."""
    given = {
        "repositories": list(repositories),
        "people": list(people),
        "owners": list(owners),
        "installations": list(installations),
    }
    return await run(connection, _RAISE, **given) if any(given.values()) else 0


async def forget_generations(connection: Connection) -> int:
    """Drops those that no role is old enough to be concerned by: it is believed for minutes. How many."""
    return await run(connection, _FORGET)
