"""`Digest`: values compared without leaving crypto, and digests for a client that compares its own. Refusals first."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Any

import pytest
from crypto_process import Client, next_manifest, scope
from keyway_core.guessing import guessable
from keyway_protos import crypto_pb2 as pb

LONG = b"sk_live_4eC39HqLyjWDarjtT1zdp7dc"  # keyway:allow


def environment(client: Client, values: Mapping[str, bytes], **changes: Any) -> pb.OpenRequest:
    """An environment at revision 1 that holds these values."""
    place = scope(**changes)
    ids, answer = client.seal(place, values, manifest=next_manifest())
    whole = pb.Manifest(revision=1, mac=answer.manifest, entries_are_items=True)
    return pb.OpenRequest(scope=place, keys=list(values), value_ids=ids, sealed=answer.sealed, manifest=whole)


def digest(client: Client, *environments: pb.OpenRequest, give_key: bool = False) -> pb.DigestResponse:
    """The answer of a call that must succeed."""
    request = pb.DigestRequest(environments=environments, give_key=give_key)
    answer: pb.DigestResponse = client.call("Digest", request)
    return answer


class TestRefused:
    def test_without_a_manifest(self, client: Client) -> None:
        """What is compared is an environment and not any ciphertext that somebody holds: that is only measured."""
        bare = environment(client, {"A": LONG})
        bare.ClearField("manifest")
        answer = digest(client, environment(client, {"A": LONG}), bare, give_key=True)
        assert [len(one) for one in answer.digests] == [32, 0]
        assert list(answer.sizes) == [len(LONG)] * 2

    def test_of_anything_but_secrets(self, client: Client) -> None:
        """No digest of a GitHub token: its purpose has no manifest."""
        place = pb.Scope(purpose="github-token", instance_id=b"i" * 16)
        ids, answer = client.seal(place, {"token": LONG})
        one = pb.OpenRequest(scope=place, keys=["token"], value_ids=ids, sealed=answer.sealed)
        assert digest(client, one).digests == [b""]
        one.manifest.entries_are_items = True
        assert client.refusal("Digest", pb.DigestRequest(environments=[one]))[0] == "INVALID_ARGUMENT"

    @pytest.mark.parametrize("which", [0, 1])
    def test_of_a_tampered_environment(self, client: Client, which: int) -> None:
        """The manifest of each one is verified, and one that differs keeps all closed."""
        both = [environment(client, {"A": LONG}), environment(client, {"A": LONG}, environment_id=b"f" * 16)]
        both[which].manifest.revision = 2
        request = pb.DigestRequest(environments=both)
        assert client.refusal("Digest", request) == ("DATA_LOSS", "does not open here")

    def test_of_a_value_that_was_moved(self, client: Client) -> None:
        """Two values exchanged do not open, so nothing is said about them."""
        one = environment(client, {"A": LONG, "B": b"another one, quite long"})
        first, second = one.sealed
        one.sealed[:] = [second, first]
        assert client.refusal("Digest", pb.DigestRequest(environments=[one])) == ("DATA_LOSS", "does not open here")


class TestDigest:
    def test_equal_values_have_equal_digests_within_a_call(self, client: Client) -> None:
        """Across environments and keys; sizes are told, and the key is not."""
        left = environment(client, {"A": b"same", "B": b"left", "EMPTY": b""})
        right = environment(client, {"C": b"right", "D": b"same"}, environment_id=b"f" * 16)
        answer = digest(client, left, right)
        a, b, empty, c, d = answer.digests
        assert (a == d, len({a, b, empty, c}), {len(one) for one in answer.digests}) == (True, 4, {32})
        assert list(answer.sizes) == [4, 4, 0, 5, 4]
        assert answer.key == b""

    def test_two_calls_have_nothing_in_common(self, client: Client) -> None:
        """The key lives for one call: digests cannot be collected and compared later."""
        one = environment(client, {"A": LONG})
        first, second = digest(client, one, give_key=True), digest(client, one, give_key=True)
        assert first.key != second.key
        assert first.digests[0] != second.digests[0]

    def test_the_key_makes_the_digests_of_a_clients_own_strings(self, client: Client) -> None:
        """HMAC-SHA256, so that a scan finds a value in a file without being sent it."""
        answer = digest(client, environment(client, {"A": LONG}), give_key=True)
        assert len(answer.key) == 32
        assert answer.digests[0] == hmac.digest(answer.key, LONG, "sha256")

    def test_no_digest_of_what_could_be_guessed_goes_with_its_key(self, client: Client) -> None:
        """Short and monotonous values are left out; their places stay, so that the others are found."""
        values = {"SHORT": b"hunter2", "FLAG": b"true", "SAME": b"a" * 40, "LONG": LONG, "EMPTY": b""}
        answer = digest(client, environment(client, values), give_key=True)
        assert [len(one) for one in answer.digests] == [0, 0, 0, 32, 0]

    def test_counts_as_a_read(self, client: Client) -> None:
        """Values opened, and nothing sealed."""
        one = environment(client, {"A": LONG, "B": LONG})
        before = client.call("Status", pb.StatusRequest())
        digest(client, one, one)
        after = client.call("Status", pb.StatusRequest())
        assert after.values_opened - before.values_opened == 4
        assert after.values_sealed == before.values_sealed


class TestGuessable:
    @pytest.mark.parametrize(
        "value",
        [b"", b"password", b"elevenchars", b"aaaaaaaaaaaaaaaa", b"ababababababab", b"000000000001", b"\xff" * 20],
    )
    def test_what_a_list_of_likely_values_would_hold(self, value: bytes) -> None:
        """Under 12 characters, or with hardly any variety."""
        assert guessable(value)

    def test_what_is_long_and_various_enough(self) -> None:
        """Keys as services make them, connection strings, PEM; characters count, not bytes."""
        good = [LONG, b"postgres://app:s3cr3t@db:5432/app", os.urandom(16).hex().encode(), "pässwörter-λμν".encode()]
        assert [guessable(value) for value in good] == [False] * 4
