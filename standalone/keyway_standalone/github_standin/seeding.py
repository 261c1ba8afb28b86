"""The world that a seed makes: one team with a private and a public repository, strangers, and another tenant."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from .world import FIRST_ID, FULL_PERMISSIONS, Installation, Org, Repo, User, World

_ROOM: Final = 1_000_000  # numbers per seed, so that worlds never share one
_CAST: Final = ("founder", "teammate", "maintainer", "triager", "reader", "removed", "stranger", "outsider")
_ROLES: Final = {
    "founder": "admin",
    "teammate": "write",
    "maintainer": "maintain",
    "triager": "triage",
    "reader": "read",
}


def make_world(seed: int) -> World:
    """The same world for the same seed.

    `cast` holds the people of `_CAST`. `places`: private and public (the organisation's, App installed on both), other
    (the outsider's own, App installed) and bare (the founder's own, App not installed).
    """
    random = Random(seed)  # noqa: S311 - names, not secrets
    words = _words()
    world = World(seed=seed, next_id=FIRST_ID + 1_000 + seed * _ROOM)
    for role, first, last in zip(_CAST, random.sample(words["first"], 8), random.sample(words["last"], 8), strict=True):
        world.cast[role] = _person(world, first, last)
    company = random.choice(words["company"])
    org = Org(world.new_id(), f"{company.lower()}-labs", f"{company} Labs", {world.cast["founder"]: "admin"})
    org.members |= {world.cast[role]: "member" for role in ("teammate", "maintainer", "reader")}
    world.orgs[org.id] = org
    api, site, own, notes = random.sample(words["product"], 4)
    _repo(world, "private", f"{api}-api", org.id, "private")
    _repo(world, "public", f"{site}-docs", org.id, "public")
    _repo(world, "other", own, world.cast["outsider"], "private")
    _repo(world, "bare", notes, world.cast["founder"], "private")
    _install(world, org.id, [world.places["private"], world.places["public"]])
    _install(world, world.cast["outsider"], [])
    return world


def _person(world: World, first: str, last: str) -> int:
    login = f"{first}-{last}".lower()
    user = User(world.new_id(), login, f"{first} {last}", f"{first}.{last}@example.test".lower())
    world.users[user.id] = user
    return user.id


def _repo(world: World, place: str, name: str, owner_id: int, visibility: str) -> None:
    repo = Repo(world.new_id(), name, owner_id, visibility)
    if place in {"private", "public"}:
        repo.collaborators = {world.cast[person]: role for person, role in _ROLES.items()}
    world.repos[repo.id] = repo
    world.places[place] = repo.id


def _install(world: World, account_id: int, repo_ids: list[int]) -> None:
    selection = "selected" if repo_ids else "all"
    made = Installation(world.new_id(), account_id, selection, repo_ids, dict(FULL_PERMISSIONS))
    world.installations[made.id] = made


def _words() -> dict[str, list[str]]:
    lines = (Path(__file__).parent / "names.txt").read_text(encoding="utf-8").splitlines()
    return {kind: words.split() for kind, words in (line.split(": ") for line in lines)}
