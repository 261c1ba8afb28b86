"""Everything that can be done to single secrets, in any order, against a model; and by several people at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from tests.backend.secrets.desk import Desk
from tests.backend.secrets.shelf import Shelf
from tests.invariants.api import Place

STEPS = 70
NAMES = ("A", "B", "C", "D", "E")


@dataclass
class Kept:
    """A secret as it should be: its name, and every value that a row of its holds, oldest first; the last is live."""

    name: str
    values: list[str]


@dataclass
class Model:
    """What the vault should hold."""

    shelf: Shelf
    chance: random.Random
    live: dict[str, Kept] = field(default_factory=dict)
    trash: dict[str, Kept] = field(default_factory=dict)
    made: int = 0

    def step(self) -> None:
        """One change, by chance, and a pull."""
        moves: list[Callable[[], None]] = [self.put, self.push]
        if self.live:
            moves += [self.change, self.rename, self.rename_and_change, self.restore_version, self.remove]
        if self.trash:
            moves += [self.restore, self.purge]
        self.chance.choice(moves)()
        assert self.shelf.desk.values() == {kept.name: kept.values[-1] for kept in self.live.values()}

    def _value(self) -> str:
        self.made += 1
        return f"v{self.made}"

    def _named(self, name: str) -> str | None:
        return next((secret for secret, kept in self.live.items() if kept.name == name), None)

    def _any(self) -> str:
        return self.chance.choice(sorted(self.live))

    def put(self) -> None:
        name, value = self.chance.choice(NAMES), self._value()
        body = {"key": name, "value": value, "environment": "development"}
        secret = str(self.shelf.done("POST", "/secrets", body)["id"])
        self.live.setdefault(secret, Kept(name, [])).values.append(value)

    def push(self) -> None:
        """Another way in: one key changes, the others are pushed as they are."""
        values = {kept.name: kept.values[-1] for kept in self.live.values()}
        name, value = self.chance.choice(NAMES), self._value()
        self.shelf.desk.set(values | {name: value})
        secret = self._named(name)
        if secret is None:
            secret = next(item["id"] for item in self.shelf.done("GET", "/secrets") if item["key"] == name)
        self.live.setdefault(secret, Kept(name, [])).values.append(value)

    def change(self) -> None:
        secret, value = self._any(), self._value()
        self.shelf.done("PATCH", f"/secrets/{secret}", {"value": value})
        self.live[secret].values.append(value)

    def rename(self) -> None:
        self._rename({})

    def rename_and_change(self) -> None:
        self._rename({"value": self._value()})

    def _rename(self, more: dict[str, str]) -> None:
        secret, name = self._any(), self.chance.choice(NAMES)
        owner = self._named(name)
        answer = self.shelf.ask("PATCH", f"/secrets/{secret}", {"key": name} | more)
        if owner not in {None, secret}:
            assert answer.status == 409, answer
            return
        assert answer.status == 200, answer
        kept = self.live[secret]
        if name != kept.name or more:
            kept.values.append(more.get("value", kept.values[-1]))
        kept.name = name

    def restore_version(self) -> None:
        secret = self._any()
        versions = self.shelf.versions(secret)
        if not versions:
            return
        version = self.chance.randrange(len(versions))
        self.shelf.done("POST", f"/secrets/{secret}/versions/{versions[version]}/restore")
        kept = self.live[secret]
        kept.values.append(kept.values[-2 - version])

    def remove(self) -> None:
        secret = self._any()
        self.shelf.done("DELETE", f"/secrets/{secret}")
        self.trash[secret] = self.live.pop(secret)

    def restore(self) -> None:
        secret = self.chance.choice(sorted(self.trash))
        answer = self.shelf.ask("POST", f"/trash/{secret}/restore")
        if self._named(self.trash[secret].name) is not None:
            assert answer.status == 409, answer
            return
        assert answer.status == 200, answer
        kept = self.live[secret] = self.trash.pop(secret)
        kept.values.append(kept.values[-1])

    def purge(self) -> None:
        secret = self.chance.choice(sorted(self.trash))
        self.shelf.done("DELETE", f"/trash/{secret}")
        del self.trash[secret]

    def agrees(self) -> None:
        """Lists, trash and every version are the model's."""
        assert {item["id"]: item["key"] for item in self.shelf.done("GET", "/secrets")} == {
            secret: kept.name for secret, kept in self.live.items()
        }
        assert {item["id"] for item in self.shelf.done("GET", "/trash")} == set(self.trash)
        for secret, kept in self.live.items():
            reader = Shelf(self.shelf.desk.anew())
            versions = reader.versions(secret)
            assert len(versions) == len(kept.values) - 1
            newest = versions[:8]
            found = [reader.done("GET", f"/secrets/{secret}/versions/{one}/value")["value"] for one in newest]
            assert found == kept.values[-2 : -2 - len(newest) : -1]


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_changes_is_what_the_model_says(shelf: Shelf, seed: int) -> None:
    """A pull works after each, and history holds every value once, with the number that it should have."""
    model = Model(shelf, random.Random(seed))  # noqa: S311 - repeatable, not secret
    for _ in range(STEPS):
        model.step()
    model.agrees()


def test_several_at_once_lose_nothing(shelf: Shelf) -> None:
    """Whoever is told 200 finds the value in the history or live; everybody else reads 409; the manifest holds."""
    secret = shelf.create("A", "0")
    people = [Shelf(shelf.desk.anew()) for _ in range(4)]

    def work(number: int) -> list[str]:
        kept = []
        for turn in range(5):
            value = f"{number}/{turn}"
            answer = people[number].ask("PATCH", f"/secrets/{secret}", {"value": value, "key": f"A{number % 2}"})
            assert answer.status in {200, 409}, answer
            kept += [value] if answer.status == 200 else []
            people[number].ask("POST", "/secrets", {"key": f"N{number}", "value": value, "environment": "development"})
        return kept

    with ThreadPoolExecutor(len(people)) as pool:
        told = [value for kept in pool.map(work, range(len(people))) for value in kept]
    assert set(shelf.desk.values()) >= {f"N{number}" for number in range(len(people))}
    assert len(shelf.rows(secret)) == 1 + len(told)
    assert len(shelf.names()) == len(shelf.desk.values())


def test_a_deleted_environment_takes_its_secrets_along(shelf: Shelf) -> None:
    """Neither listed nor in the trash, and nothing of them can be asked for."""
    staging = Shelf(shelf.desk.at(Place(shelf.desk.place.repository, "staging")))
    secret, trashed = staging.rewritten("A", "1", "2"), staging.trashed("B")
    version = staging.versions(secret)[0]
    shelf.done("DELETE", "/environments/staging")
    assert (shelf.names(), shelf.in_trash()) == ([], [])
    for method, path in (
        ("GET", f"/secrets/{secret}/value"),
        ("GET", f"/secrets/{secret}/versions"),
        ("GET", f"/secrets/{secret}/versions/{version}/value"),
        ("DELETE", f"/secrets/{secret}"),
        ("POST", f"/trash/{trashed}/restore"),
        ("DELETE", f"/trash/{trashed}"),
    ):
        assert shelf.ask(method, path).status == 404, path
    assert shelf.done("DELETE", "/trash")["deleted"] == 0


def test_one_who_reads_while_others_change_never_reads_half_of_a_change(shelf: Shelf, second: Desk) -> None:
    """A renamed secret is under one name or the other, in each list and each pull."""
    secret = shelf.create("A", "1")
    reader = shelf.desk.with_other(second)
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(
            lambda: [shelf.done("PATCH", f"/secrets/{secret}", {"name": name}) for name in "BCDABCDA"]
        )
        seen = [len(reader.values())]
        while not changing.done():
            seen.append(len(reader.values()))
        changing.result()
    assert set(seen) == {1}
