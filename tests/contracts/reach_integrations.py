"""Providers, connections and syncs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle.wire import Call
from tests.standins.providers import TOKEN

AT = "/v1/integrations"
CONNECTIONS = f"{AT}/connections"
SYNC = f"{AT}/vaults/{{owner}}/{{repo}}/sync"
DOWN = "provider is down"


def _down(make: Callable[[Scene], Call]) -> Callable[[Scene], Iterator[Call]]:
    """The same request while the provider does not answer."""

    def during(scene: Scene) -> Iterator[Call]:
        call = make(scene)
        scene.there.down = True
        try:
            yield call
        finally:
            scene.there.down = False

    return during


# connections ---------------------------------------------------------------------------------------------------------

reaches(f"GET {AT}")(lambda _: Call("GET", AT))


@reaches(f"GET {CONNECTIONS}")
def connections(scene: Scene) -> Call:
    """One of a person, one of a team."""
    assert scene.railway
    assert scene.vercel
    return scene.get(CONNECTIONS)


@reaches(f"DELETE {CONNECTIONS}/{{id}}")
def disconnect(scene: Scene) -> Call:
    """As the command line asks: a content type, and nothing behind it."""
    one = scene.connected("netlify", scene.other)
    return scene.call("DELETE", f"{CONNECTIONS}/{one}", None, scene.other, ("Content-Type", "application/json"))


reaches(f"DELETE {CONNECTIONS}/{{id}}", "no id")(lambda scene: scene.call("DELETE", f"{CONNECTIONS}/nothing"))
CONNECT = f"POST {AT}/{{provider}}/connect"


def _connect(scene: Scene, provider: str = "railway", token: str | None = TOKEN) -> Call:
    return scene.post(f"{AT}/{provider}/connect", {"token": token} if token is not None else {})


@reaches(CONNECT, "one too many for the plan")
def one_too_many(scene: Scene) -> Call:
    """Two are free."""
    _, token, _ = scene.person("shopper")
    for provider in ("vercel", "netlify"):
        scene.connected(provider, token)
    return scene.post(f"{AT}/railway/connect", {"token": TOKEN}, token)


reaches(CONNECT)(_connect)
reaches(CONNECT, "no token")(lambda scene: _connect(scene, token=None))
reaches(CONNECT, "token that the provider does not know")(lambda scene: _connect(scene, token="nonsense"))
reaches(CONNECT, "provider that takes none")(lambda scene: _connect(scene, "vercel"))
reaches(CONNECT, "unknown provider")(lambda scene: _connect(scene, "nobody"))

AUTHORIZE = f"GET {AT}/{{provider}}/authorize"
reaches(AUTHORIZE, "a session")(lambda scene: scene.get(f"{AT}/vercel/authorize"))
reaches(AUTHORIZE, "the token in the address")(lambda scene: Call("GET", f"{AT}/vercel/authorize?token={scene.token}"))
reaches(AUTHORIZE, "unknown provider")(lambda scene: scene.get(f"{AT}/nobody/authorize"))
reaches(AUTHORIZE, "back to elsewhere")(
    lambda scene: scene.get(f"{AT}/vercel/authorize?redirect_uri={quote('https://evil.example/', safe='')}")
)
reaches(AUTHORIZE, "provider that takes a token")(lambda scene: scene.get(f"{AT}/railway/authorize"))
reaches(AUTHORIZE, "not configured", off=True)(lambda scene: scene.get(f"{AT}/vercel/authorize", scene.off.token))

CALLBACK = f"GET {AT}/{{provider}}/callback"
reaches(CALLBACK, "a page")(lambda scene: scene.returning("vercel", scene.token))
reaches(CALLBACK, "on to the target")(
    lambda scene: scene.returning("vercel", scene.token, f"?redirect_uri={quote(scene.back, safe='')}")
)
reaches(CALLBACK, "not allowed there")(lambda scene: scene.returning("vercel", scene.token, code=""))
reaches(CALLBACK, "no state")(lambda _: Call("GET", f"{AT}/vercel/callback?code=good"))
reaches(CALLBACK, "another browser")(
    lambda scene: Call("GET", scene.returning("vercel", scene.token).path, (scene.leaving("vercel", scene.token)[1],))
)


# projects ------------------------------------------------------------------------------------------------------------

PROJECTS, ALL = f"GET {CONNECTIONS}/{{id}}/projects", f"GET {AT}/providers/{{provider}}/all-projects"


def _projects(scene: Scene) -> Call:
    return scene.get(f"{CONNECTIONS}/{scene.railway}/projects")


def _all(scene: Scene) -> Call:
    assert scene.railway
    return scene.get(f"{AT}/providers/railway/all-projects")


@reaches(ALL, "vercel")
def all_of_vercel(scene: Scene) -> Call:
    """Of a team."""
    assert scene.vercel
    return scene.get(f"{AT}/providers/vercel/all-projects")


reaches(PROJECTS, "vercel")(lambda scene: scene.get(f"{CONNECTIONS}/{scene.vercel}/projects"))
reaches(PROJECTS, "railway")(_projects)
reaches(PROJECTS, "no id")(lambda scene: scene.get(f"{CONNECTIONS}/nothing/projects"))
reaches(PROJECTS, DOWN)(_down(_projects))
reaches(ALL, "railway")(_all)
reaches(ALL, "a connection that fails is skipped")(_down(_all))
reaches(ALL, "unknown provider")(lambda scene: scene.get(f"{AT}/providers/nobody/all-projects"))


# syncs ---------------------------------------------------------------------------------------------------------------

# Railway's: one the same, one different, one that is only there, one that cannot be stored.
THERE: Final = {"SAME": "1", "DIFFERENT": "theirs", "ONLY_THERE": "1", "EMPTY": ""}


def _wanted(scene: Scene, **changed: Any) -> dict[str, Any]:
    """From our staging to the one environment that the stand-in has."""
    scene.there.variables.clear()
    scene.there.variables.update(THERE)
    return {
        "connectionId": scene.railway, "projectId": "rp", "serviceId": "svc", "keywayEnvironment": "staging",
        "providerEnvironment": "production", "direction": "push", "allowDelete": True, **changed,
    }  # fmt: skip


def _path(scene: Scene, tail: str) -> str:
    return f"{AT}/vaults/{scene.home.full_name}/sync{tail}"


def _query(scene: Scene, tail: str, token: str | None = None, **changed: Any) -> Call:
    wanted = {name: value for name, value in _wanted(scene, **changed).items() if value is not None}
    wanted["allowDelete"] = str(wanted["allowDelete"]).lower()
    return scene.get(f"{_path(scene, tail)}?{urlencode(wanted)}", token)


def _body(scene: Scene, tail: str, token: str | None = None, **changed: Any) -> Call:
    wanted = {name: value for name, value in _wanted(scene, **changed).items() if value is not None}
    return scene.post(_path(scene, tail), wanted, token)


Ask = Callable[..., Call]


def _refusals(route: str, ask: Ask, tail: str) -> None:
    """What every route of a sync refuses."""
    away = {"providerEnvironment": "development"}
    unreadable = {"keywayEnvironment": "production", **away}
    reaches(route, "no project")(lambda scene: ask(scene, tail, projectId=None))
    reaches(route, "connection of somebody else")(lambda scene: ask(scene, tail, connectionId=scene.foreign))
    reaches(route, "no such environment")(lambda scene: ask(scene, tail, keywayEnvironment="nothing"))
    reaches(route, "environment that the reader may not read")(
        lambda scene: ask(scene, tail, scene.reader, **unreadable)
    )
    if tail in {"", "/preview"}:
        reaches(route, "pull of a reader")(
            lambda scene: ask(scene, tail, scene.reader, direction="pull", keywayEnvironment="development", **away)
        )
    if tail != "/link":
        reaches(route, DOWN)(_down(lambda scene: ask(scene, tail)))


_refusals(f"GET {SYNC}/status", _query, "/status")
_refusals(f"GET {SYNC}/diff", _query, "/diff")
_refusals(f"GET {SYNC}/preview", _query, "/preview")
_refusals(f"POST {SYNC}/link", _body, "/link")
_refusals(f"POST {SYNC}", _body, "")


@reaches(f"POST {SYNC}/link", "linked already")
def linked_again(scene: Scene) -> Call:
    """And synced since."""
    for tail in ("/link", ""):
        call = _body(scene, tail)
        scene.ask("POST", call.path, call.body)
    return _body(scene, "/link")


@reaches(f"POST {SYNC}", "pull with a key that only reads")
def pull_with_reading_key(scene: Scene) -> Call:
    """A pull writes here."""
    return _body(scene, "", scene.key_to_read, direction="pull")


@reaches(f"POST {SYNC}", "partly")
def partly(scene: Scene) -> Iterator[Call]:
    """Vercel refuses one of the names."""
    scene.there.entries.clear()
    scene.there.refuses.add("DIFFERENT")
    yield _body(scene, "", connectionId=scene.vercel, projectId="prj", serviceId=None)
    scene.there.refuses.clear()
    scene.there.entries.clear()


reaches(f"GET {SYNC}/status")(lambda scene: _query(scene, "/status"))
reaches(f"GET {SYNC}/diff")(lambda scene: _query(scene, "/diff"))
reaches(f"GET {SYNC}/preview", "push")(lambda scene: _query(scene, "/preview"))
reaches(f"GET {SYNC}/preview", "pull")(lambda scene: _query(scene, "/preview", direction="pull"))
reaches(f"POST {SYNC}/link", "new")(
    lambda scene: _body(scene, "/link", providerEnvironment=f"e{scene.name('new')}-{uuid4().hex[:6]}")
)
reaches(f"POST {SYNC}", "push")(lambda scene: _body(scene, ""))
reaches(f"POST {SYNC}", "pull")(lambda scene: _body(scene, "", keywayEnvironment="development", direction="pull"))
