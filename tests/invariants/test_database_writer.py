"""The best database writer: whoever may write every row, and has no key, is refused and noticed, never served.

6 vaults x 3 environments x 10 names hold 180 values, all different. Each exchange is undone before the next one, and
after every hundred the whole world is read again: a refusal that came from something else would show there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.backend.secrets.desk import NOWHERE, Desk
from tests.invariants.api import Answer, Client, Place
from tests.invariants.scene import Scene, opened

VAULTS: Final = 6
NAMES: Final = tuple(f"NAME_{number}" for number in range(10))
ENVIRONMENTS: Final = ("development", "staging", "production")
SAMPLE: Final = 300
SESSIONS: Final = 24
EVERY_PAIR: Final = 32_220


@dataclass(frozen=True)
class Held:
    """A value, and the row that holds it."""

    place: Place
    key: str
    value: str
    row: str
    environment: str


@dataclass
class World:
    """The installation, somebody who may read all of it, and a connection that may write all of it."""

    scene: Scene
    readers: Iterator[Client]
    writer: psycopg.Connection[tuple[Any, ...]]
    operator: httpx.Client
    held: Sequence[Held]
    heard: float = 0.0

    @property
    def reader(self) -> Client:
        """One of the reader's sessions after the other, so that none is over its share of the rate limit."""
        return next(self.readers)

    def read(self, place: Place) -> Answer:
        """A pull by our own wire."""
        return self.reader.pull(place)

    def values(self, place: Place) -> dict[str, str]:
        """What was pushed there."""
        return {one.key: one.value for one in self.held if one.place == place}

    def refuses(self, place: Place) -> None:
        """A read of the place is refused without a word about any value, and an alarm is raised."""
        answer = self.read(place)
        assert answer.status == 503, (place, answer.status)
        assert answer.body["type"].endswith("/integrity-error")
        told = str(answer.body)
        assert not [one.value for one in self.held if one.value in told]
        before, self.heard = self.heard, self.alarms()
        assert self.heard > before

    def is_whole(self) -> None:
        """The positive control: every environment answers what was pushed, and all 180 values are there."""
        places = {one.place for one in self.held}
        assert sum(len(self.values(place)) for place in places) == VAULTS * len(ENVIRONMENTS) * len(NAMES)
        for place in places:
            answer = self.read(place)
            assert (answer.status, answer.body.get("data", {}).get("secrets")) == (200, self.values(place))

    def alarms(self) -> float:
        """How often the backend said that stored data was tampered with."""
        text = self.operator.get("/metrics").text
        found = [line for line in text.splitlines() if line.startswith("keyway_integrity_failures_total{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def write(self, statement: LiteralString, *values: Any) -> None:
        """A statement that must touch something."""
        assert self.writer.execute(statement, values).rowcount != 0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """180 values in 18 environments, each different from every other."""
    with opened(vaults=VAULTS) as scene:
        first = Desk(scene, scene.session(), NOWHERE)
        readers = [first.anew().client for _ in range(SESSIONS)]
        places = [Place(name, environment) for name in scene.repositories for environment in ENVIRONMENTS]
        held = [one for place in places for one in stocked(scene, readers[0], place)]
        with (
            psycopg.connect(scene.stack.superuser_database_url, autocommit=True) as writer,
            httpx.Client(base_url=scene.stack.ops_url) as operator,
        ):
            writer.execute("SET synchronous_commit = off")
            yield World(scene, itertools.cycle(readers), writer, operator, held)


def stocked(scene: Scene, reader: Client, place: Place) -> list[Held]:
    """Ten values in an environment."""
    values = {name: f"{place.repository}/{place.environment}/{name}/{uuid4().hex}" for name in NAMES}
    scene.begin(reader, place, values)
    environment = scene.environment_id(place)
    rows = dict(scene.sql("SELECT key, id::text FROM secret_values WHERE environment_id = %s", environment))
    return [Held(place, key, value, rows[key], environment) for key, value in values.items()]


Exchange = Callable[[World, Held, Held], None]


def blobs(world: World, one: Held, other: Held) -> None:
    """The ciphertext of the second, in the row of the first."""
    with world.writer.transaction():
        (kept,) = world.writer.execute("SELECT sealed FROM secret_values WHERE id = %s", [one.row]).fetchone() or ()
        world.write(
            "UPDATE secret_values SET sealed = (SELECT sealed FROM secret_values WHERE id = %s) WHERE id = %s",
            other.row,
            one.row,
        )
    try:
        world.refuses(one.place)
    finally:
        world.write("UPDATE secret_values SET sealed = %s WHERE id = %s", kept, one.row)


def rows(world: World, one: Held, other: Held) -> None:
    """Each row, with its id and its ciphertext, at the place of the other."""
    move(world, one, other)
    try:
        for place in {one.place, other.place}:
            world.refuses(place)
    finally:
        move(world, other, one)


def move(world: World, one: Held, other: Held) -> None:
    """Exchanges environment and key of two live rows; `one` stands where its own place says, before and after."""
    places = (one.environment, one.key), (other.environment, other.key)
    where = {
        row: (environment, key)
        for row, environment, key in world.writer.execute(
            "SELECT id::text, environment_id::text, key FROM secret_values WHERE id = ANY(%s::uuid[])",
            [[one.row, other.row]],
        )
    }
    assert set(where.values()) == set(places)
    change: LiteralString = "UPDATE secret_values SET environment_id = %s, key = %s, to_revision = NULL WHERE id = %s"
    with world.writer.transaction():
        world.write("UPDATE secret_values SET to_revision = 0 WHERE id = %s", one.row)
        world.write(change, *where[one.row], other.row)
        world.write(change, *where[other.row], one.row)


def exchanged(world: World, pairs: Sequence[tuple[Held, Held]], exchange: Exchange) -> None:
    """Every pair is refused, each with an alarm of its own, and the world is whole in between, without any."""
    world.heard = world.alarms()
    for number, (one, other) in enumerate(pairs):
        exchange(world, one, other)
        if number % 100 == 0:
            world.is_whole()
    world.is_whole()
    assert world.alarms() == world.heard


def ordered_pairs(world: World) -> list[tuple[Held, Held]]:
    """Every ordered pair of two different values."""
    return list(itertools.permutations(world.held, 2))


class TestExchanges:
    """Ciphertexts opened anywhere but where they were sealed."""

    @pytest.mark.parametrize("exchange", [blobs, rows])
    def test_a_sample_of_pairs_is_refused(self, world: World, exchange: Exchange) -> None:
        """Between names, environments and vaults alike, no exchanged value is read."""
        pairs = random.Random(180).sample(ordered_pairs(world), SAMPLE // 2)  # noqa: S311 - the same pairs in every run
        exchanged(world, pairs, exchange)

    @pytest.mark.parametrize("exchange", [blobs, rows])
    def test_neighbours_are_refused(self, world: World, exchange: Exchange) -> None:
        """The closest places: another name, the same name in another environment, the same in another vault."""
        first = world.held[0]
        near = [
            next(o for o in world.held if o.place == first.place and o.key != first.key),
            next(o for o in world.held if o.key == first.key and o.place.environment != first.place.environment),
            next(o for o in world.held if o.key == first.key and o.place.repository != first.place.repository),
        ]
        exchanged(world, [pair for other in near for pair in ((first, other), (other, first))], exchange)

    @pytest.mark.prove
    @pytest.mark.parametrize("exchange", [blobs, rows])
    def test_every_pair_is_refused(self, world: World, exchange: Exchange) -> None:
        """All 32,220 ordered pairs of the 180 values; an exchange of rows is two of them at once."""
        pairs = ordered_pairs(world)
        assert len(pairs) == EVERY_PAIR
        exchanged(world, pairs if exchange is blobs else list(itertools.combinations(world.held, 2)), exchange)

    def test_a_value_written_back_unchanged_is_read(self, world: World) -> None:
        """The control of the method itself: writing is not what is refused."""
        one = world.held[0]
        world.write("UPDATE secret_values SET sealed = sealed WHERE id = %s", one.row)
        world.is_whole()

    def test_a_push_over_exchanged_values_is_refused_too(self, world: World) -> None:
        """Nothing that was tampered with is signed again."""
        one, other = world.held[0], world.held[1]
        move(world, one, other)
        answer = world.reader.push(one.place, {"NEW": "1"}, mode="merge")
        move(world, other, one)
        assert answer.status == 503
        world.is_whole()


# What is written to a database in which A has an older value, GONE was deleted, and B is as it was.
# %(e)s is the environment, %(o)s another one of the same vault, %(n)s a new id.
LIVE_A: Final = "environment_id = %(e)s AND key = 'A' AND to_revision IS NULL"
OLD_A: Final = "environment_id = %(e)s AND key = 'A' AND from_revision = 1"
TAMPERINGS: Final[dict[str, tuple[LiteralString, ...]]] = {
    "older version reopened": (
        "UPDATE secret_values SET to_revision = 9 WHERE " + LIVE_A,
        "UPDATE secret_values SET to_revision = NULL WHERE " + OLD_A,
    ),
    "older ciphertext in the live row": (
        "UPDATE secret_values SET sealed = (SELECT sealed FROM secret_values WHERE " + OLD_A + ") WHERE " + LIVE_A,
    ),
    "older version reopened at an older head": (
        "UPDATE secret_values SET to_revision = 9 WHERE " + LIVE_A,
        "UPDATE secret_values SET to_revision = NULL WHERE " + OLD_A,
        "UPDATE environments SET head_revision = 1 WHERE id = %(e)s",
    ),
    "deleted key reopened": (
        "UPDATE secret_values SET to_revision = NULL WHERE environment_id = %(e)s AND key = 'GONE'",
    ),
    "row closed": ("UPDATE secret_values SET to_revision = 3 WHERE " + LIVE_A,),
    "row deleted": ("DELETE FROM secret_values WHERE " + LIVE_A,),
    "all rows deleted": ("DELETE FROM secret_values WHERE environment_id = %(e)s",),
    "row inserted": (
        "INSERT INTO secret_values (id, secret_id, environment_id, key, from_revision, sealed, key_version, created_at)"
        " SELECT %(n)s, secret_id, environment_id, 'C', 3, sealed, key_version, created_at FROM secret_values WHERE "
        + LIVE_A,
    ),
    "row given another id": ("UPDATE secret_values SET id = %(n)s WHERE " + LIVE_A,),
    "key renamed": ("UPDATE secret_values SET key = 'RENAMED' WHERE " + LIVE_A,),
    "row moved to another environment": (
        "UPDATE secret_values SET environment_id = %(e)s WHERE environment_id = %(o)s",
    ),
    "ciphertext taken away": ("UPDATE secret_values SET sealed = NULL WHERE " + LIVE_A,),
    "ciphertext emptied": ("UPDATE secret_values SET sealed = '' WHERE " + LIVE_A,),
    "ciphertext cut": ("UPDATE secret_values SET sealed = substr(sealed, 1, 60) WHERE " + LIVE_A,),
    "ciphertext flipped": (
        "UPDATE secret_values SET sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) WHERE " + LIVE_A,
    ),
    "other format": ("UPDATE secret_values SET sealed = set_byte(sealed, 0, 2) WHERE " + LIVE_A,),
    "other key version": ("UPDATE secret_values SET sealed = set_byte(sealed, 2, 9) WHERE " + LIVE_A,),
    "head lowered": ("UPDATE environments SET head_revision = head_revision - 1 WHERE id = %(e)s",),
    "head raised": ("UPDATE environments SET head_revision = head_revision + 1 WHERE id = %(e)s",),
    "manifest emptied": ("UPDATE environments SET manifest = '' WHERE id = %(e)s",),
    "manifest and head of the beginning": (
        "UPDATE environments SET manifest = '', head_revision = 0 WHERE id = %(e)s",
    ),
    "manifest flipped": (
        "UPDATE environments SET manifest = set_byte(manifest, 20, 255 - get_byte(manifest, 20)) WHERE id = %(e)s",
    ),
    "manifest of another environment": (
        "UPDATE environments SET manifest = o.manifest, head_revision = o.head_revision"
        " FROM environments AS o WHERE environments.id = %(e)s AND o.id = %(o)s",
    ),
}


@pytest.fixture
def spot(world: World) -> Desk:
    """An environment with a past, and another one of its vault with a value of its own. Nobody else uses them."""
    desk = Desk(world.scene, world.reader, NOWHERE).at_new_place()
    desk.set({"A": "an older value", "GONE": "a deleted value", "B": "value of B"})
    desk.set({"A": "value of A"})
    desk.set({}, delete=["GONE"])
    desk.at(Place(desk.place.repository, "staging")).set({"ELSEWHERE": "value of staging"})
    assert desk.values() == {"A": "value of A", "B": "value of B"}
    return desk


class TestRows:
    """Rows reopened, deleted, inserted, exchanged for older ones, and the environment's own row."""

    @pytest.mark.parametrize("name", TAMPERINGS)
    def test_is_refused(self, world: World, spot: Desk, name: str) -> None:
        """No read answers, no push builds on it, no plaintext of any time is told, and the operator hears of it."""
        other = world.scene.environment_id(Place(spot.place.repository, "staging"))
        told = {"e": spot.environment_id, "o": other, "n": uuid4()}
        for statement in TAMPERINGS[name]:
            assert world.writer.execute(statement, told).rowcount > 0
        before = world.alarms()
        answers = [spot.get(), spot.get(headers={"Accept": "*/*"}), spot.get("view", key="A")]
        answers.append(spot.get(headers={"Accept": "*/*"}, limit=1))
        assert [answer.status for answer in answers] == [503] * 4
        assert not [answer for answer in answers if "value" in str(answer.body.get("data"))]
        assert world.alarms() == before + 4

    @pytest.mark.parametrize("name", [name for name in TAMPERINGS if "ciphertext" not in name and "other" not in name])
    def test_is_not_signed_by_a_push(self, world: World, spot: Desk, name: str) -> None:
        """A push on top of a tampered environment does not make it whole."""
        other = world.scene.environment_id(Place(spot.place.repository, "staging"))
        for statement in TAMPERINGS[name]:
            world.writer.execute(statement, {"e": spot.environment_id, "o": other, "n": uuid4()})
        assert spot.push({"B": "new"}).status == 503
        assert spot.legacy_push({"B": "new"}).status == 503
        assert spot.get().status == 503

    def test_an_untouched_environment_of_the_same_vault_is_read(self, world: World, spot: Desk) -> None:
        """The control: what refuses is the tampering, and it refuses where it was done."""
        world.write("DELETE FROM secret_values WHERE environment_id = %s AND key = 'A'", spot.environment_id)
        staging = spot.at(Place(spot.place.repository, "staging"))
        assert (spot.get().status, staging.values()) == (503, {"ELSEWHERE": "value of staging"})

    def test_another_revision_id_reads_no_other_values(self, world: World, spot: Desk) -> None:
        """The id is a name for what the manifest protects: changing it changes no value."""
        world.write("UPDATE environments SET head_revision_id = %s WHERE id = %s", uuid4(), spot.environment_id)
        assert spot.values() == {"A": "value of A", "B": "value of B"}


class TestVaults:
    """Vault rows that point elsewhere."""

    def test_repointed_to_another_repository_opens_nothing(self, world: World, spot: Desk) -> None:
        """A writer who has a repository of his own gives its number to somebody's vault: he is let in, to nothing."""
        owner, name = world.scene.owner, f"of-the-writer-{uuid4().hex[:6]}"
        made = world.scene.stack.control.create_repo(f"{owner}/{name}")
        world.write(
            "UPDATE vaults SET github_repo_id = %s, owner_login = %s, repo_name = %s"
            " WHERE id = (SELECT vault_id FROM environments WHERE id = %s)",
            made["id"],
            owner,
            name,
            spot.environment_id,
        )
        stolen = spot.at(Place(f"{owner}/{name}"))
        before = world.alarms()
        answers = [stolen.get(), stolen.get("view", key="A"), stolen.push({"A": "1"})]
        assert [answer.status for answer in answers] == [503] * 3
        assert "value of" not in str([answer.body for answer in answers])
        assert world.alarms() > before

    def test_an_environment_given_to_another_vault_opens_nothing(self, world: World, spot: Desk) -> None:
        """A vault that the writer may read receives somebody's environment: its values stay shut."""
        target = Desk(world.scene, world.reader, NOWHERE).at_new_place("development")
        empty = target.environment_id
        world.write("UPDATE environments SET deleted_at = now() WHERE id = %s", empty)
        world.write(
            "UPDATE environments SET vault_id = (SELECT vault_id FROM environments WHERE id = %s) WHERE id = %s",
            empty,
            spot.environment_id,
        )
        answer = target.get()
        assert answer.status in {403, 503}
        assert "value of" not in str(answer.body)
