"""An installation is bound to its key, its GitHub and its App at the first start (design.md 2 and 5)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.backend.secrets.desk import NOWHERE, Desk
from tests.invariants.scene import Scene, opened, to_its_end


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """An installation of its own with one value in it."""
    with opened() as scene:
        desk = Desk(scene, scene.session(), NOWHERE).at_new_place()
        desk.set({"A": "1"})
        yield desk


@pytest.fixture
def scene(desk: Desk) -> Iterator[Scene]:
    """The installation, whose crypto service has its own key again afterwards."""
    crypto = desk.scene.stack.crypto
    laid_over = dict(crypto.environment)
    yield desk.scene
    if crypto.environment != laid_over:
        crypto.environment = laid_over
        crypto.restart()
    desk.scene.stack.backend.wait_ready()
    assert desk.values() == {"A": "1"}


def binding(scene: Scene) -> list[tuple[Any, ...]]:
    """All that the database knows of the binding."""
    return scene.sql("SELECT to_json(i)::text FROM instance i UNION ALL SELECT to_json(k)::text FROM crypto_keys k")


def refusal(scene: Scene, **variables: str) -> str:
    """What a backend of this installation says when it is started with these, and ends."""
    code, told = to_its_end(scene.stack.backend, variables)
    assert code > 0
    return told


def test_another_github_is_refused(scene: Scene) -> None:
    """People and repositories are numbers of one GitHub: those of another one are somebody else."""
    before = binding(scene)
    assert "GITHUB_URL: this database belongs to" in refusal(scene, GITHUB_URL="https://github.example.com")
    assert binding(scene) == before


def test_another_app_is_refused(scene: Scene) -> None:
    """The App's installations decide who may do what."""
    before = binding(scene)
    assert "GITHUB_APP_ID: this database belongs to GitHub App" in refusal(scene, GITHUB_APP_ID="123")
    assert binding(scene) == before


def test_another_key_is_refused_by_fingerprint(scene: Scene) -> None:
    """Both fingerprints are named, nothing is written, and no key is told."""
    before, key = binding(scene), secrets.token_hex(32)
    wanted = scene.value("SELECT fingerprint FROM crypto_keys")
    scene.stack.crypto.restart({"ENCRYPTION_KEY_FILE": None, "ENCRYPTION_KEY": key})
    told = refusal(scene)
    assert f"must have fingerprint {wanted}" in told
    assert key not in told
    assert binding(scene) == before


def test_a_missing_key_is_refused_by_fingerprint(scene: Scene) -> None:
    """A new key beside none of the old ones opens nothing."""
    wanted = scene.value("SELECT fingerprint FROM crypto_keys")
    keys = {"ENCRYPTION_KEY_FILE": None, "ENCRYPTION_KEYS": f"2:{secrets.token_hex(32)}"}
    scene.stack.crypto.restart(keys)
    told = refusal(scene)
    assert f"version 1 with fingerprint {wanted} is missing" in told


def test_a_changed_check_value_is_refused(scene: Scene) -> None:
    """A database that was stitched together does not serve."""
    kept = scene.value("SELECT key_check FROM instance")
    scene.sql("UPDATE instance SET key_check = set_byte(key_check, 30, 255 - get_byte(key_check, 30))")
    try:
        assert "ENCRYPTION_KEY: the check value in this database does not open" in refusal(scene)
    finally:
        scene.sql("UPDATE instance SET key_check = %s", kept)


def test_a_second_key_is_noted_and_the_check_value_moves_to_it() -> None:
    """Values under the first key are read on; the second one seals, and without it nothing starts any more."""
    with opened() as scene:
        desk = Desk(scene, scene.session(), NOWHERE).at_new_place()
        desk.set({"A": "1"})
        first = scene.stack.folder.encryption_key.read_text().strip()
        both = f"1:{first},2:{secrets.token_hex(32)}"
        scene.stack.crypto.restart({"ENCRYPTION_KEY_FILE": None, "ENCRYPTION_KEYS": both})
        scene.stack.backend.restart()
        assert scene.sql("SELECT version FROM crypto_keys ORDER BY version") == [(1,), (2,)]
        assert scene.value("SELECT get_byte(key_check, 2) FROM instance") == 2
        assert desk.values() == {"A": "1"}
        scene.stack.crypto.restart({"ENCRYPTION_KEYS": None, "ENCRYPTION_KEY": first})
        assert "version 2 with fingerprint" in refusal(scene)
