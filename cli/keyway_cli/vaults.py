"""The routes that manage a vault: environments, names, history, trash, keys, providers. None of them carries a value.

Apart from `api`, so that `run` and `pull` do not load them. Every list is read to its end.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from keyway_core.sensitive import Sensitive

from keyway_cli.api import Api, Json, Place, Revision, data_of, foreign, revision_of

if TYPE_CHECKING:
    from keyway_cli.scanning.values import Digests

_PAGE: Final = 500
_MOST_PAGES: Final = 1_000


def path_of(repository: str) -> str:
    """Where the routes of a vault begin."""
    owner, name = repository.split("/")
    return f"/v1/vaults/{_quoted(owner)}/{_quoted(name)}"


def path_in(place: Place) -> str:
    """Where the routes of an environment begin."""
    return f"{path_of(place.repository)}/environments/{_quoted(place.environment)}"


# --- values, one at a time


def view(api: Api, place: Place, key: str) -> Sensitive:
    """One value. Raises NotFound."""
    query = urlencode({"repo": place.repository, "environment": place.environment, "key": key})
    value = data_of(api.call("GET", f"/v1/secrets/view?{query}")).get("value")
    if not isinstance(value, str):
        raise foreign("its answer has no value")
    return Sensitive(value)


def secrets(api: Api, repository: str) -> list[Json]:
    """Every secret of the environments that we may read: `id`, `key`, `environment`, `updatedAt`, `lastModifiedBy`."""
    return list(_pages(api, f"{path_of(repository)}/secrets"))


def delete_keys(api: Api, place: Place, keys: list[str], based_on: Revision | None) -> Json:
    """Moves keys to the trash, all or none."""
    body = {
        "repoFullName": place.repository,
        "environment": place.environment,
        "mode": "merge",
        "secrets": {},
        "delete": keys,
    }
    return data_of(api.call("POST", "/v1/secrets/push", body, headers=if_match(based_on)))


def if_match(revision: Revision | None) -> dict[str, str]:
    """The header that insists on a revision."""
    return {"If-Match": f'"{revision.id}"'} if revision is not None else {}


# --- environments


def environments(api: Api, repository: str) -> list[Json]:
    """`name` and `type` of every environment, in display order."""
    return _list(api.call("GET", f"{path_of(repository)}/environments"), "environments")


def create_environment(api: Api, repository: str, name: str) -> Json:
    """A new environment, empty."""
    answer = api.call("POST", f"{path_of(repository)}/environments", {"name": name})
    return _object(data_of(answer), "environment")


def rename_environment(api: Api, place: Place, name: str) -> None:
    """Another name for an environment."""
    api.call("PATCH", path_in(place), {"newName": name})


def delete_environment(api: Api, place: Place) -> None:
    """An environment with everything in it."""
    api.call("DELETE", path_in(place))


# --- history


def head(api: Api, place: Place) -> Revision:
    """Where an environment stands."""
    revision = revision_of(data_of(api.call("GET", f"{path_in(place)}/revision")).get("revision"))
    if revision is None:
        raise foreign("its answer has no revision")
    return revision


def revisions(api: Api, place: Place, most: int) -> list[Json]:
    """The newest revisions of an environment, at most so many."""
    found = []
    for revision in _pages(api, f"{path_in(place)}/revisions", limit=min(most, _PAGE)):
        found.append(revision)
        if len(found) == most:
            break
    return found


def revision(api: Api, place: Place, named: str) -> Json:
    """One revision by number or id, with the names of what it changed."""
    return data_of(api.call("GET", f"{path_in(place)}/revisions/{_quoted(named)}"))


def revision_diff(api: Api, place: Place, named: str, against: str) -> Json:
    """What a revision has that another has not: `added`, `changed`, `removed`."""
    query = urlencode({"against": against})
    return data_of(api.call("GET", f"{path_in(place)}/revisions/{_quoted(named)}/diff?{query}"))


def roll_back(api: Api, place: Place, named: str, body: Json, based_on: Revision) -> Json:
    """Makes an environment hold what it held at a revision."""
    path = f"{path_in(place)}/revisions/{_quoted(named)}/rollback"
    return data_of(api.call("POST", path, body, headers=if_match(based_on)))


def compare(api: Api, repository: str, left: str, right: str) -> Json:
    """Two environments, compared inside the crypto service."""
    return data_of(api.call("GET", f"{path_of(repository)}/compare?{urlencode({'left': left, 'right': right})}"))


def digests(api: Api, place: Place) -> Digests:
    """Keyed digests of an environment's values, with a key that is of this answer alone. Counts as reading them."""
    from keyway_cli.scanning.values import Digests

    told = data_of(api.call("POST", f"{path_in(place)}/digests", {}))
    found = _object(told, "digests")
    try:
        key = b64decode(str(told.get("key")), validate=True)
        return Digests(place.environment, key, {bytes.fromhex(digest): name for name, digest in found.items()})
    except (ValueError, TypeError):
        raise foreign("its answer has no digests") from None


def copy_secret(api: Api, repository: str, secret: str, wanted: Json, based_on: Revision) -> Json:
    """One value into another environment or under another key; it is re-sealed on the server and not shown."""
    path = f"{path_of(repository)}/secrets/{_quoted(secret)}/copy"
    return data_of(api.call("POST", path, wanted, headers=if_match(based_on)))


def exposure(api: Api, repository: str) -> list[Json]:
    """Who saw which secrets, with what was changed since: `user`, `secrets`. Others only for who manages the vault."""
    return list(_pages(api, f"{path_of(repository)}/exposure", limit=100))


# --- trash


def trash(api: Api, repository: str) -> list[Json]:
    """What was deleted less than 30 days ago."""
    return list(_pages(api, f"{path_of(repository)}/trash"))


def restore(api: Api, repository: str, secret: str) -> Json:
    """Brings a secret back with its versions."""
    return data_of(api.call("POST", f"{path_of(repository)}/trash/{_quoted(secret)}/restore", {}))


def purge(api: Api, repository: str, secret: str) -> None:
    """Forgets a secret for good."""
    api.call("DELETE", f"{path_of(repository)}/trash/{_quoted(secret)}")


def empty_trash(api: Api, repository: str) -> int:
    """Forgets everything in the trash, and says how many."""
    deleted = data_of(api.call("DELETE", f"{path_of(repository)}/trash")).get("deleted")
    return deleted if isinstance(deleted, int) else 0


# --- API keys


def api_keys(api: Api) -> list[Json]:
    """The caller's keys, revoked ones too, newest first."""
    return _list(api.call("GET", "/v1/api-keys"), "keys")


def create_api_key(api: Api, body: Json) -> tuple[Json, Sensitive]:
    """A new key as its owner sees it, and its token, which is told this once."""
    made = data_of(api.call("POST", "/v1/api-keys", body))
    token = made.pop("token", None)
    if not isinstance(token, str):
        raise foreign("its answer has no token")
    return made, Sensitive(token)


def revoke_api_key(api: Api, key: str) -> None:
    """Ends a key."""
    api.call("DELETE", f"/v1/api-keys/{_quoted(key)}")


# --- providers


def providers(api: Api) -> list[Json]:
    """`name`, `displayName`, `configured`."""
    return _list(api.call("GET", "/v1/integrations"), "providers")


def connections(api: Api) -> list[Json]:
    """The caller's own accounts at providers."""
    return _list(api.call("GET", "/v1/integrations/connections"), "connections")


def connect(api: Api, provider: str, token: Sensitive) -> Json:
    """Keeps a token that a provider gave; answers whose account it is."""
    answer = api.call("POST", f"/v1/integrations/{_quoted(provider)}/connect", {"token": token.reveal()})
    return _object(data_of(answer), "user")


def disconnect(api: Api, connection: str) -> None:
    """Forgets a connection with its links."""
    api.call("DELETE", f"/v1/integrations/connections/{_quoted(connection)}")


def projects(api: Api, provider: str) -> list[Json]:
    """What the caller's connections to a provider reach."""
    return _list(api.call("GET", f"/v1/integrations/providers/{_quoted(provider)}/all-projects"), "projects")


def projects_of(api: Api, connection_id: str) -> list[Json]:
    """What one connection reaches. Unlike `projects`, raises KeywayError when the provider does not answer."""
    return _list(api.call("GET", f"/v1/integrations/connections/{_quoted(connection_id)}/projects"), "projects")


def sync_preview(api: Api, repository: str, wanted: Json) -> Json:
    """What a sync would do, in names."""
    owner, name = map(_quoted, repository.split("/"))
    query = urlencode({key: str(value).lower() if isinstance(value, bool) else value for key, value in wanted.items()})
    return data_of(api.call("GET", f"/v1/integrations/vaults/{owner}/{name}/sync/preview?{query}"))


def link(api: Api, repository: str, wanted: Json) -> None:
    """Remembers that an environment and a project belong together."""
    owner, name = map(_quoted, repository.split("/"))
    api.call("POST", f"/v1/integrations/vaults/{owner}/{name}/sync/link", wanted)


def sync(api: Api, repository: str, wanted: Json) -> Json:
    """Copies values between an environment and a project. A provider that fails is told in the answer."""
    owner, name = map(_quoted, repository.split("/"))
    return data_of(api.call("POST", f"/v1/integrations/vaults/{owner}/{name}/sync", wanted))


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _pages(api: Api, path: str, limit: int = _PAGE) -> Iterator[Json]:
    """Every entry of a list, page by page."""
    for page in range(_MOST_PAGES):
        answer = api.call("GET", f"{path}?limit={limit}&offset={page * limit}")
        found = answer.get("data")
        if not isinstance(found, list):
            raise foreign("its answer has no list")
        yield from (entry for entry in found if isinstance(entry, dict))
        meta = answer.get("meta")
        pagination = meta.get("pagination") if isinstance(meta, dict) else None
        if not (isinstance(pagination, dict) and pagination.get("hasMore") is True):
            return


def _list(answer: Json, name: str) -> list[Json]:
    found = data_of(answer).get(name)
    if not isinstance(found, list):
        raise foreign(f"its answer has no {name}")
    return [entry for entry in found if isinstance(entry, dict)]


def _object(data: Json, name: str) -> dict[str, Any]:
    found = data.get(name)
    if not isinstance(found, dict):
        raise foreign(f"its answer has no {name}")
    return found
