"""Revisions of an environment, copies, digests, previews."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.contracts.reaches import reaches
from tests.contracts.scene import Scene
from tests.oracle.wire import Call, Header, send

VAULT = "/v1/vaults/{owner}/{repo}"
ENVIRONMENT = f"{VAULT}/environments/{{name}}"
REVISION = f"{ENVIRONMENT}/revisions/{{revision}}"
SECRET = f"{VAULT}/secrets/{{secretId}}"
MISSING, UNREADABLE, NO_REVISION = (
    "no such environment", "environment that the reader may not read", "no such revision",
)  # fmt: skip
MOVED = ("If-Match", f'"{uuid4()}"')


def _at(scene: Scene, tail: str, name: str = "development") -> str:
    return scene.at(f"/environments/{name}{tail}")


def _history(scene: Scene) -> str:
    """An environment whose second revision made, changed and removed a key."""
    name = scene.environment()
    first: dict[str, Any] = {"secrets": {"CHANGED": "1", "REMOVED": "1"}, "mode": "merge"}
    second: dict[str, Any] = {"secrets": {"CHANGED": "2", "ADDED": "1"}, "mode": "merge", "delete": ["REMOVED"]}
    for body in (first, second | {"message": "Second"}):
        scene.ask("POST", "/v1/secrets/push", body | {"repoFullName": scene.home.full_name, "environment": name})
    return name


def _kept(scene: Scene) -> str:
    """The same one every time."""
    return scene.once("history", lambda: _history(scene))


# history -------------------------------------------------------------------------------------------------------------

for _method in ("GET", "HEAD"):
    _route = f"{_method} {ENVIRONMENT}/revision"

    def _stands(scene: Scene, method: str = _method) -> Call:
        return scene.call(method, _at(scene, "/revision"))

    def _nothing_new(scene: Scene, method: str = _method) -> Call:
        etag = send(scene.base, scene.get(_at(scene, "/revision"))).header("etag")
        return scene.call(method, _at(scene, "/revision"), None, None, ("If-None-Match", etag))

    reaches(_route, "as it stands")(_stands)
    reaches(_route, "nothing new")(_nothing_new)

for _tail in ("revision", "revisions"):
    reaches(f"GET {ENVIRONMENT}/{_tail}", MISSING)(
        lambda scene, tail=_tail: scene.get(_at(scene, f"/{tail}", "nothing"))
    )
    reaches(f"GET {ENVIRONMENT}/{_tail}", UNREADABLE)(
        lambda scene, tail=_tail: scene.get(_at(scene, f"/{tail}", "production"), scene.reader)
    )
reaches(f"GET {ENVIRONMENT}/revisions")(lambda scene: scene.get(_at(scene, "/revisions", _kept(scene))))
reaches(f"GET {REVISION}")(lambda scene: scene.get(_at(scene, "/revisions/2", _kept(scene))))
reaches(f"GET {REVISION}", NO_REVISION)(lambda scene: scene.get(_at(scene, "/revisions/999999", _kept(scene))))
reaches(f"GET {REVISION}/diff")(lambda scene: scene.get(_at(scene, "/revisions/2/diff?against=1", _kept(scene))))
reaches(f"GET {REVISION}/diff", NO_REVISION)(
    lambda scene: scene.get(_at(scene, "/revisions/2/diff?against=999999", _kept(scene)))
)


def _roll_back(scene: Scene, *more: Header, to: str = "1", token: str | None = None, **body: Any) -> Call:
    return scene.call("POST", _at(scene, f"/revisions/{to}/rollback", _history(scene)), body, token, *more)


BACK = f"POST {REVISION}/rollback"
reaches(BACK, "a session")(_roll_back)
reaches(BACK, "a key that does not read")(lambda scene: _roll_back(scene, token=scene.key_to_write))
reaches(BACK, "surprise")(lambda scene: _roll_back(scene, surprise=1))
reaches(BACK, NO_REVISION)(lambda scene: _roll_back(scene, to="999999"))
reaches(BACK, "moved on")(lambda scene: _roll_back(scene, MOVED))


# copies --------------------------------------------------------------------------------------------------------------


def _copy(scene: Scene, *more: Header, body: Any = None) -> Call:
    """One key that the target has not, and one that it has."""
    key = scene.name("COPIED_")
    scene.ask("POST", scene.at("/secrets"), {"key": key, "value": "1", "environment": "development"})
    wanted = {"target": "staging", "keys": [key, "DIFFERENT"]} if body is None else body
    return scene.call("POST", _at(scene, "/copy"), wanted, None, *more)


reaches(f"POST {ENVIRONMENT}/copy")(_copy)
reaches(f"POST {ENVIRONMENT}/copy", "no target")(lambda scene: _copy(scene, body={}))
reaches(f"POST {ENVIRONMENT}/copy", "moved on")(lambda scene: _copy(scene, MOVED))


def _copy_secret(scene: Scene, key: str, secret: str = "") -> Call:
    path = scene.at(f"/secrets/{secret or scene.secret('LONG')}/copy")
    return scene.post(path, {"target": "staging", "key": key})


reaches(f"POST {SECRET}/copy", "new")(lambda scene: _copy_secret(scene, scene.name("COPY_")))
reaches(f"POST {SECRET}/copy", "there already")(lambda scene: _copy_secret(scene, "ONLY_RIGHT", scene.new_secret()))
reaches(f"POST {SECRET}/copy", "no such secret")(lambda scene: _copy_secret(scene, "X", str(uuid4())))


# digests and previews ------------------------------------------------------------------------------------------------

DIGESTS, PREVIEW = f"POST {ENVIRONMENT}/digests", f"POST {ENVIRONMENT}/import/preview"
reaches(DIGESTS)(lambda scene: scene.post(_at(scene, "/digests"), {}))
reaches(DIGESTS, "surprise")(lambda scene: scene.post(_at(scene, "/digests"), {"surprise": 1}))
reaches(DIGESTS, UNREADABLE)(lambda scene: scene.post(_at(scene, "/digests", "production"), {}, scene.reader))


def _preview(scene: Scene, body: Any = None, token: str | None = None) -> Call:
    text = f"SAME=1\nDIFFERENT=another\n{scene.name('NOT_THERE_')}=1\nNODE_OPTIONS=x\n"
    return scene.post(_at(scene, "/import/preview"), {"text": text} if body is None else body, token)


reaches(PREVIEW, "a session")(_preview)
reaches(PREVIEW, "a key that does not read")(lambda scene: _preview(scene, token=scene.key_to_write))
reaches(PREVIEW, "neither text nor secrets")(lambda scene: _preview(scene, {}))
