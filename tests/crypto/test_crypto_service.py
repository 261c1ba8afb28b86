"""The calls of crypto.proto, over mutual TLS, to a real process. Refused calls first."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from crypto_process import Client, Process, channel, new_key, next_manifest, running, scope
from keyway_core.legacy_env import legacy_echo
from keyway_core.limits import GRPC_MESSAGE_BYTES, VALUE_BYTES
from keyway_crypto.caller_auth import Budget
from keyway_crypto.keyring import KeyRing
from keyway_crypto.servicer import VALUES_PER_CALL, CryptoServicer
from keyway_protos import crypto_pb2 as pb

UNIFORM = ("DATA_LOSS", "does not open here")
PEM = b"-----BEGIN KEY-----\nAAAA\nBBBB\n-----END KEY-----\n"


def manifest(revision: int, mac: bytes, **fields: Any) -> pb.Manifest:
    return pb.Manifest(revision=revision, mac=mac, **fields)


class TestRefused:
    def test_a_moved_or_damaged_value_has_one_answer(self, client: Client) -> None:
        """Sixty ways to be wrong, over the wire, with one status and one message."""
        ids, answer = client.seal(scope(), {"KEY": b"value"})
        (blob,) = answer.sealed
        flips = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in range(3, len(blob), 2)]
        blobs = [*flips, blob[:-1], blob + b"\0", b"", b"\x02" + blob[1:]]
        requests = [pb.OpenRequest(scope=scope(), keys=["KEY"], value_ids=ids, sealed=[one]) for one in blobs]
        places = [scope(vault_id=b"w" * 16), scope(github_repository_id=1), scope(environment_id=b"f" * 16)]
        requests += [pb.OpenRequest(scope=one, keys=["KEY"], value_ids=ids, sealed=[blob]) for one in places]
        requests.append(pb.OpenRequest(scope=scope(), keys=["OTHER"], value_ids=ids, sealed=[blob]))
        answers = [client.refusal("Open", request) for request in requests]
        assert set(answers) == {UNIFORM}
        assert len(answers) > 50

    def test_one_bad_value_keeps_all_closed(self, client: Client) -> None:
        """All or nothing: no caller has to look for holes in a list."""
        ids, answer = client.seal(scope(), {"A": b"1", "B": b"2"})
        sealed = [answer.sealed[0], answer.sealed[0]]
        request = pb.OpenRequest(scope=scope(), keys=["A", "B"], value_ids=ids, sealed=sealed)
        assert client.refusal("Open", request) == UNIFORM

    def test_an_unknown_key_version_is_a_precondition(self, client: Client) -> None:
        """The backend can tell a missing key from damage."""
        ids, answer = client.seal(scope(), {"KEY": b"value"})
        blob = b"\x01\x00\x07" + answer.sealed[0][3:]
        request = pb.OpenRequest(scope=scope(), keys=["KEY"], value_ids=ids, sealed=[blob])
        assert client.refusal("Open", request) == ("FAILED_PRECONDITION", "key version 7 is not configured")

    @pytest.mark.parametrize(
        "broken",
        [
            pb.Scope(),
            scope(purpose="manifest"),
            scope(instance_id=b""),
            scope(vault_id=b"short"),
            scope(github_repository_id=0),
            scope(environment_id=b""),
            scope(purpose="github-token"),
        ],
    )
    def test_an_incomplete_scope_is_an_invalid_argument(self, client: Client, broken: pb.Scope) -> None:
        """For every call that carries one, and before anything is opened."""
        requests = {
            "Seal": pb.SealRequest(scope=broken),
            "Open": pb.OpenRequest(scope=broken),
            "Reseal": pb.ResealRequest(to=broken, **{"from": scope()}),
        }
        for method, request in requests.items():
            status, message = client.refusal(method, request)
            assert (status, message.split(".")[0].split(":")[0]) == ("INVALID_ARGUMENT", "scope")

    def test_lists_of_different_length_are_an_invalid_argument(self, client: Client) -> None:
        """Parallel arrays that do not match are never cut to fit."""
        ids, answer = client.seal(scope(), {"A": b"1", "B": b"2"})
        sealed = answer.sealed
        cases = [(["A"], ids, sealed), (["A", "B"], ids[:1], sealed), (["A", "B"], ids, sealed[:1])]
        for keys, value_ids, blobs in cases:
            request = pb.OpenRequest(scope=scope(), keys=keys, value_ids=value_ids, sealed=blobs)
            assert client.refusal("Open", request)[0] == "INVALID_ARGUMENT"
        short = pb.ResealRequest(
            to=scope(), from_keys=["A"], from_value_ids=ids[:1], sealed=answer.sealed[:1], **{"from": scope()}
        )
        assert client.refusal("Reseal", short)[0] == "INVALID_ARGUMENT"

    def test_a_value_keeps_its_purpose(self, client: Client) -> None:
        """No detour over Reseal makes a GitHub token of a secret."""
        target = pb.Scope(purpose="github-token", instance_id=b"i" * 16)
        request = pb.ResealRequest(to=target, **{"from": scope()})
        assert client.refusal("Reseal", request) == ("INVALID_ARGUMENT", "a value keeps its purpose and its instance")

    def test_garbage_is_an_invalid_argument(self, crypto: Process, certificates: Path) -> None:
        """Bytes that are no message do not reach the code behind, and are not quoted back."""
        with channel(crypto.port(), certificates) as connection:
            call = connection.unary_unary("/keyway.crypto.v1.Crypto/Open")
            with pytest.raises(grpc.RpcError) as caught:
                call(b"\xff\xff canary-in-garbage", timeout=5)
        assert (caught.value.code().name, caught.value.details()) == ("INVALID_ARGUMENT", "not a message of this call")

    def test_an_unknown_method_does_not_exist(self, crypto: Process, certificates: Path) -> None:
        """Nothing is offered beside the calls of the contract."""
        with channel(crypto.port(), certificates) as connection:
            for method in ("/keyway.crypto.v1.Crypto/Export", "/grpc.health.v1.Health/Watch"):
                with pytest.raises(grpc.RpcError) as caught:
                    connection.unary_unary(method)(b"", timeout=5)
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


class TestLimits:
    def test_the_largest_value(self, client: Client) -> None:
        """64 KiB come back; one byte more is refused, by its limit and without its content."""
        value = os.urandom(VALUE_BYTES)
        ids, answer = client.seal(scope(), {"KEY": value})
        assert client.open(scope(), ["KEY"], ids, answer.sealed) == [value]
        item = pb.SealItem(key="KEY", value_id=ids[0], plaintext=value + b"x")
        refusal = client.refusal("Seal", pb.SealRequest(scope=scope(), items=[item]))
        assert refusal == ("INVALID_ARGUMENT", "a value must be at most 65536 bytes")

    def test_the_longest_key(self, client: Client) -> None:
        """256 bytes pass, 257 and none do not."""
        assert client.seal(scope(), {"K" * 256: b"v"})[1].sealed
        for key in ("K" * 257, ""):
            item = pb.SealItem(key=key, value_id=b"n" * 16)
            assert client.refusal("Seal", pb.SealRequest(scope=scope(), items=[item]))[0] == "INVALID_ARGUMENT"

    def test_the_most_values_of_a_call(self, client: Client) -> None:
        """10,000 pass, one more is refused; candidates count."""
        keys = [f"K{number}" for number in range(VALUES_PER_CALL)]
        ids, answer = client.seal(scope(), dict.fromkeys(keys, b"v"))
        assert client.open(scope(), keys, ids, answer.sealed) == [b"v"] * VALUES_PER_CALL
        item = pb.SealItem(key="K", value_id=b"n" * 16, candidates=[pb.Candidate()] * VALUES_PER_CALL)
        assert client.refusal("Seal", pb.SealRequest(scope=scope(), items=[item]))[0] == "INVALID_ARGUMENT"

    def test_a_whole_environment_fits_into_one_call(self, client: Client) -> None:
        """4 MiB of plaintext in the largest values, both ways."""
        values = {f"K{number}": os.urandom(VALUE_BYTES) for number in range(64)}
        ids, answer = client.seal(scope(), values)
        assert client.open(scope(), list(values), ids, answer.sealed) == list(values.values())

    def test_the_largest_message_in(self, crypto: Process, certificates: Path) -> None:
        """8 MiB arrive, one byte more does not. Unknown fields make the message as long as needed."""
        with channel(crypto.port(), certificates) as connection:
            call = connection.unary_unary("/keyway.crypto.v1.Crypto/Status")
            head = b"\xfa\x01" + varint(GRPC_MESSAGE_BYTES - 6)
            assert call(head + bytes(GRPC_MESSAGE_BYTES - len(head)), timeout=20)
            with pytest.raises(grpc.RpcError) as caught:
                call(head + bytes(GRPC_MESSAGE_BYTES - len(head) + 1), timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    def test_the_largest_message_out(self, client: Client) -> None:
        """An answer that would not fit says so, instead of breaking off after the work."""
        items = [pb.SealItem(key=f"K{n}", value_id=b"n" * 16, plaintext=bytes(VALUE_BYTES)) for n in range(126)]
        status, message = client.refusal("Seal", pb.SealRequest(scope=scope(), items=items))
        assert status == "INVALID_ARGUMENT"
        assert "split the call" in message

    def test_a_used_up_budget_says_when_to_come_back(self, tmp_path: Path, certificates: Path) -> None:
        """Values per minute and peer; the hint is in the trailing metadata, and keeping to it works."""
        settings = {"ENCRYPTION_KEY": new_key(), "CRYPTO_VALUES_PER_MINUTE": "600"}
        with serving(tmp_path, certificates, **settings) as client:
            values = {f"K{number}": b"v" for number in range(300)}
            ids, answer = client.seal(scope(), values)
            request = pb.OpenRequest(scope=scope(), keys=list(values), value_ids=ids, sealed=answer.sealed)
            client.call("Open", request)
            few = {"keys": ["K0"] * 5, "value_ids": ids[:1] * 5, "sealed": answer.sealed[:1] * 5}
            with pytest.raises(grpc.RpcError) as caught:
                client.call("Open", pb.OpenRequest(scope=scope(), **few))
            wait = int(dict(caught.value.trailing_metadata())["retry-after"])
            assert (caught.value.code().name, caught.value.details()) == ("RESOURCE_EXHAUSTED", "value budget used up")
            assert wait == 1
            time.sleep(wait)
            assert client.open(scope(), ["K0"], ids[:1], answer.sealed[:1]) == [b"v"]
            assert client.call("Status", pb.StatusRequest()).values_opened == 301

    def test_a_batch_lets_others_run_in_between(self) -> None:
        """1,000 values give the loop back at least once per 128."""
        servicer = CryptoServicer(KeyRing({1: os.urandom(32)}, active=1), Budget(10_000))
        items = [pb.SealItem(key=f"K{number}", value_id=b"n" * 16) for number in range(1_000)]
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async def both() -> None:
            other = asyncio.create_task(others())
            await servicer.seal(pb.SealRequest(scope=scope(), items=items), "peer")
            other.cancel()

        asyncio.run(both())
        assert turns >= 7


@contextmanager
def serving(directory: Path, certificates: Path, **settings: str) -> Iterator[Client]:
    """A service of its own, and the backend's view of it."""
    with running(directory, certificates, **settings) as process, channel(process.port(), certificates) as connection:
        yield Client(connection)


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


class TestSeal:
    def test_values_come_back_as_they_went_in(self, client: Client) -> None:
        """Every awkward value, with its manifest."""
        values = {"EMPTY": b"", "PEM": PEM, "ZEROS": bytes(5), "EMOJI": "🔑é\u00a0".encode(), "QUOTES": b"\"'\\$#=\t\r"}
        ids, answer = client.seal(scope(), values, manifest=next_manifest())
        whole = manifest(1, answer.manifest, entries_are_items=True)
        assert client.open(scope(), list(values), ids, answer.sealed, manifest=whole) == list(values.values())
        assert list(answer.matched) == [-1] * len(values)
        assert answer.key_version == 1

    @pytest.mark.parametrize(
        ("mode", "pushed", "candidates", "expected"),
        [
            (pb.EXACT, b"same", [b"same"], 0),
            (pb.EXACT, b"new", [b"old", b"new"], 1),
            (pb.EXACT, b"new", [b"new", b"new"], 0),
            (pb.EXACT, b"new", [b"old"], -1),
            (pb.EXACT, b"", [b"x", b""], 1),
            (pb.EXACT, legacy_echo(PEM.decode()).encode(), [PEM], -1),
            (pb.EXACT_OR_LEGACY_ECHO, legacy_echo(PEM.decode()).encode(), [b"other", PEM], 1),
            (pb.EXACT_OR_LEGACY_ECHO, b"a\\nb", [b"a\r\nb"], 0),
            (pb.EXACT_OR_LEGACY_ECHO, PEM, [legacy_echo(PEM.decode()).encode()], -1),
            (pb.EXACT_OR_LEGACY_ECHO, b"'quoted'", [b"quoted"], -1),
        ],
    )
    def test_a_value_that_equals_a_candidate_is_not_sealed(
        self, client: Client, mode: pb.CompareMode, pushed: bytes, candidates: list[bytes], expected: int
    ) -> None:
        """The first equal candidate is named; the echo counts in one direction and one mode only."""
        earlier = [client.seal(scope(), {"KEY": value}) for value in candidates]
        found = [pb.Candidate(value_id=ids[0], sealed=answer.sealed[0]) for ids, answer in earlier]
        item = pb.SealItem(key="KEY", value_id=os.urandom(16), plaintext=pushed, candidates=found)
        answer = client.call("Seal", pb.SealRequest(scope=scope(), items=[item], compare=mode))
        assert list(answer.matched) == [expected]
        assert bool(answer.sealed[0]) == (expected < 0)

    def test_a_candidate_that_does_not_open_stops_the_call(self, client: Client) -> None:
        """A tampered row is noticed by the push as well, not silently overwritten."""
        ids, answer = client.seal(scope(), {"OTHER": b"v"})
        candidate = pb.Candidate(value_id=ids[0], sealed=answer.sealed[0])
        item = pb.SealItem(key="KEY", value_id=os.urandom(16), plaintext=b"v", candidates=[candidate])
        assert client.refusal("Seal", pb.SealRequest(scope=scope(), items=[item])) == UNIFORM

    def test_the_manifest_follows_the_items_that_were_sealed(self, client: Client) -> None:
        """Base without the removed, with the added of an earlier call and the sealed ones; matched ones stay."""
        ids, first = client.seal(scope(), {"A": b"1", "B": b"2", "C": b"3"}, manifest=next_manifest())
        base = manifest(1, first.manifest, keys=["C", "A", "B"], value_ids=[ids[2], ids[0], ids[1]])
        fresh, unused, early = os.urandom(16), os.urandom(16), os.urandom(16)
        items = [
            pb.SealItem(key="A", value_id=fresh, plaintext=b"one"),
            pb.SealItem(
                key="B",
                value_id=unused,
                plaintext=b"2",
                candidates=[pb.Candidate(value_id=ids[1], sealed=first.sealed[1])],
            ),
        ]
        change = next_manifest(base, 2, removed=["C"], added_keys=["D"], added_value_ids=[early])
        answer = client.call("Seal", pb.SealRequest(scope=scope(), items=items, manifest=change))
        after = manifest(2, answer.manifest, keys=["A", "B", "D"], value_ids=[fresh, ids[1], early])
        opened = client.open(scope(), ["A", "B"], [fresh, ids[1]], [answer.sealed[0], first.sealed[1]], manifest=after)
        assert opened == [b"one", b"2"]

    def test_no_manifest_when_nothing_changed(self, client: Client) -> None:
        """All items matched, none removed: there is no next revision."""
        ids, first = client.seal(scope(), {"A": b"1"}, manifest=next_manifest())
        candidate = pb.Candidate(value_id=ids[0], sealed=first.sealed[0])
        item = pb.SealItem(key="A", value_id=os.urandom(16), plaintext=b"1", candidates=[candidate])
        change = next_manifest(manifest(1, first.manifest, keys=["A"], value_ids=ids), 2)
        answer = client.call("Seal", pb.SealRequest(scope=scope(), items=[item], manifest=change))
        assert (list(answer.sealed), list(answer.matched), answer.manifest) == ([b""], [0], b"")

    def test_a_tampered_base_is_never_signed_again(self, client: Client) -> None:
        """A push onto an environment that somebody changed in the database is refused like a read of it."""
        ids, first = client.seal(scope(), {"A": b"1", "B": b"2"}, manifest=next_manifest())
        tampered = [
            manifest(1, first.manifest, keys=["A"], value_ids=ids[:1]),
            manifest(1, first.manifest, keys=["A", "B"], value_ids=ids[::-1]),
            manifest(0, first.manifest, keys=["A", "B"], value_ids=ids),
            manifest(1, b"", keys=["A", "B"], value_ids=ids),
            manifest(1, b""),
        ]
        item = pb.SealItem(key="C", value_id=os.urandom(16), plaintext=b"3")
        for base in tampered:
            request = pb.SealRequest(scope=scope(), items=[item], manifest=next_manifest(base, 2))
            assert client.refusal("Seal", request) == UNIFORM

    def test_a_key_comes_once(self, client: Client) -> None:
        """Two values of one key in one environment have no meaning."""
        items = [pb.SealItem(key="A", value_id=os.urandom(16)) for _ in range(2)]
        twice = pb.SealRequest(scope=scope(), items=items, manifest=next_manifest())
        early = next_manifest(added_keys=["A"], added_value_ids=[os.urandom(16)])
        both = pb.SealRequest(scope=scope(), items=items[:1], manifest=early)
        for request in (twice, both):
            assert client.refusal("Seal", request) == ("INVALID_ARGUMENT", "a key comes twice")

    def test_the_whole_environment_is_not_what_a_push_brings(self, client: Client) -> None:
        """`entries_are_items` has no meaning for new values."""
        change = next_manifest(manifest(0, b"", entries_are_items=True))
        assert client.refusal("Seal", pb.SealRequest(scope=scope(), manifest=change))[0] == "INVALID_ARGUMENT"


class TestOpen:
    def test_a_partial_read_is_checked_against_the_whole_environment(self, client: Client) -> None:
        """One key is opened, all entries are verified, and the item has to be one of them."""
        ids, answer = client.seal(scope(), {"A": b"1", "B": b"2"}, manifest=next_manifest())
        stored = manifest(1, answer.manifest, keys=["A", "B"], value_ids=ids)
        assert client.open(scope(), ["B"], ids[1:], answer.sealed[1:], manifest=stored) == [b"2"]
        old_ids, old = client.seal(scope(), {"B": b"older"})
        request = pb.OpenRequest(scope=scope(), keys=["B"], value_ids=old_ids, sealed=old.sealed, manifest=stored)
        assert client.refusal("Open", request) == UNIFORM

    def test_rows_that_were_changed_behind_our_back_are_noticed(self, client: Client) -> None:
        """A deleted, an inserted and a reopened row, and a manifest of before."""
        ids, first = client.seal(scope(), {"A": b"1", "B": b"2"}, manifest=next_manifest())
        new_ids, second = client.seal(
            scope(), {"A": b"3"}, manifest=next_manifest(manifest(1, first.manifest, keys=["A", "B"], value_ids=ids), 2)
        )
        head, before = (2, second.manifest), (1, first.manifest)
        cases = [
            (head, ["A"], new_ids, second.sealed),
            (head, ["A", "B"], ids, first.sealed),
            (head, ["A", "B", "C"], [*new_ids, ids[1], ids[0]], [second.sealed[0], first.sealed[1], first.sealed[0]]),
            (before, ["A", "B"], [new_ids[0], ids[1]], [second.sealed[0], first.sealed[1]]),
        ]
        for (revision, mac), keys, value_ids, sealed in cases:
            whole = manifest(revision, mac, entries_are_items=True)
            request = pb.OpenRequest(scope=scope(), keys=keys, value_ids=value_ids, sealed=sealed, manifest=whole)
            assert client.refusal("Open", request) == UNIFORM

    def test_an_environment_that_was_never_written_opens_to_nothing(self, client: Client) -> None:
        """Revision 0 without rows needs no manifest."""
        assert client.open(scope(), [], [], [], manifest=manifest(0, b"", entries_are_items=True)) == []

    def test_history_is_opened_without_a_manifest(self, client: Client) -> None:
        """Two closed rows of the same key, each in its own context."""
        old_ids, old = client.seal(scope(), {"A": b"old"})
        new_ids, new = client.seal(scope(), {"A": b"new"})
        opened = client.open(scope(), ["A", "A"], old_ids + new_ids, [old.sealed[0], new.sealed[0]])
        assert opened == [b"old", b"new"]


class TestReseal:
    def test_a_copy_opens_in_its_new_place_only(self, client: Client) -> None:
        """To another environment, under another name and row, with both manifests."""
        target = scope(environment_id=b"t" * 16)
        ids, answer = client.seal(scope(), {"A": b"1", "B": b"2"}, manifest=next_manifest())
        new_ids = [os.urandom(16)]
        moved = client.call(
            "Reseal",
            pb.ResealRequest(
                to=target,
                from_keys=["B"],
                from_value_ids=ids[1:],
                sealed=answer.sealed[1:],
                to_keys=["RENAMED"],
                to_value_ids=new_ids,
                from_manifest=manifest(1, answer.manifest, keys=["A", "B"], value_ids=ids),
                manifest=next_manifest(),
                **{"from": scope()},
            ),
        )
        whole = manifest(1, moved.manifest, entries_are_items=True)
        assert client.open(target, ["RENAMED"], new_ids, moved.sealed, manifest=whole) == [b"2"]
        request = pb.OpenRequest(scope=scope(), keys=["B"], value_ids=ids[1:], sealed=moved.sealed)
        assert client.refusal("Open", request) == UNIFORM

    def test_a_tampered_source_is_not_copied(self, client: Client) -> None:
        """Neither a value of another place, nor a row that the manifest does not know."""
        ids, answer = client.seal(scope(), {"A": b"1"}, manifest=next_manifest())
        fields: dict[str, Any] = {
            "to": scope(environment_id=b"t" * 16),
            "from_keys": ["A"],
            "from_value_ids": ids,
            "sealed": answer.sealed,
            "to_keys": ["A"],
            "to_value_ids": [os.urandom(16)],
        }
        elsewhere = pb.ResealRequest(**fields, **{"from": scope(environment_id=b"f" * 16)})
        empty = pb.ResealRequest(**fields, from_manifest=manifest(0, b""), **{"from": scope()})
        assert client.refusal("Reseal", elsewhere) == client.refusal("Reseal", empty) == UNIFORM


def test_status_counts_and_shows_fingerprints_only(tmp_path: Path, certificates: Path) -> None:
    """Versions, 16 hex each, the active one, and what was done; no key in any form."""
    keys = {1: new_key(), 2: new_key()}
    ring = ",".join(f"{version}:{key}" for version, key in keys.items())
    with serving(tmp_path, certificates, ENCRYPTION_KEYS=ring, ENCRYPTION_KEY_ACTIVE="1") as client:
        ids, answer = client.seal(scope(), {"A": b"1", "B": b"2"})
        client.open(scope(), ["A"], ids[:1], answer.sealed[:1])
        status = client.call("Status", pb.StatusRequest())
    assert [(info.version, info.active, len(info.fingerprint)) for info in status.keys] == [
        (1, True, 16),
        (2, False, 16),
    ]
    assert (status.values_sealed, status.values_opened, status.calls) == (2, 1, 2)
    assert not any(key in str(status) for key in keys.values())


def test_a_rotation_from_the_first_key_to_the_second(tmp_path: Path, certificates: Path) -> None:
    """Add, activate, re-seal in place, take the old key away: values read on at every step, and the rest is named."""
    first, second = new_key(), new_key()
    both = f"1:{first},2:{second}"
    values = {"A": b"1", "B": PEM}
    with serving(tmp_path, certificates, ENCRYPTION_KEY=first) as client:
        ids, old = client.seal(scope(), values, manifest=next_manifest())
    whole = manifest(1, old.manifest, entries_are_items=True)
    with serving(tmp_path, certificates, ENCRYPTION_KEYS=both, ENCRYPTION_KEY_ACTIVE="1") as client:
        assert client.open(scope(), list(values), ids, old.sealed, manifest=whole) == list(values.values())
        assert client.seal(scope(), {"C": b"3"})[1].key_version == 1
    with serving(tmp_path, certificates, ENCRYPTION_KEYS=both) as client:
        assert client.open(scope(), list(values), ids, old.sealed, manifest=whole) == list(values.values())
        assert client.seal(scope(), {"C": b"3"})[1].key_version == 2
        places = {"from_keys": list(values), "from_value_ids": ids, "to_keys": list(values), "to_value_ids": ids}
        change = next_manifest(whole, 1)
        request = pb.ResealRequest(to=scope(), sealed=old.sealed, manifest=change, **places, **{"from": scope()})
        new = client.call("Reseal", request)
    late = pb.OpenRequest(scope=scope(), keys=list(values), value_ids=ids, sealed=old.sealed)
    with serving(tmp_path, certificates, ENCRYPTION_KEYS=f"2:{second}") as client:
        renewed = manifest(1, new.manifest, entries_are_items=True)
        assert client.open(scope(), list(values), ids, new.sealed, manifest=renewed) == list(values.values())
        assert client.refusal("Open", late)[0] == "FAILED_PRECONDITION"
    with serving(tmp_path, certificates, ENCRYPTION_KEY=new_key()) as client:
        assert client.refusal("Open", late) == UNIFORM
