"""The only client of the crypto service: our types in, our types out, and one place where its refusals become ours.

Mutual TLS 1.3 with the server's name pinned to `crypto`; 2 seconds per call (policy.yaml `limits.deadlines_seconds`),
within which a call is tried a second time when the connection was lost. Any call may be repeated: none changes a thing.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import grpc
from keyway_core.limits import GRPC_MESSAGE_BYTES
from keyway_core.sealed import Sealed
from keyway_core.sensitive import Sensitive
from keyway_protos import crypto_pb2 as pb
from keyway_protos.crypto_pb2_grpc import CryptoStub
from prometheus_client import Histogram

from keyway_backend.platform import errors, log, metrics

__all__ = [
    "Change",
    "Digests",
    "Entries",
    "Item",
    "KeyInfo",
    "Manifest",
    "Outcome",
    "Place",
    "Sealed",
    "Stored",
    "VaultCrypto",
    "alarm",
]

DEADLINE_SECONDS: Final = 2.0
BYTES_IN_FLIGHT: Final = 33_554_432

_PURPOSE_OF_VALUES: Final = "secret"
_SERVER_NAME: Final = "crypto"
_BOUND_TO: Final = "keyway-bound-to"
_VALUES_PER_CALL: Final = 10_000
_MANIFEST_RESERVE: Final = 1_048_576
_ITEM_RESERVE: Final = 64
_OPTIONS: Final = (
    ("grpc.ssl_target_name_override", _SERVER_NAME),
    ("grpc.max_send_message_length", GRPC_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", GRPC_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_http_proxy", 0),
)
# What stored data causes when somebody else wrote it: another place, an unknown key, an impossible context.
_TAMPERED: Final = {
    grpc.StatusCode.DATA_LOSS: "does_not_open",
    grpc.StatusCode.FAILED_PRECONDITION: "unknown_key_version",
    grpc.StatusCode.INVALID_ARGUMENT: "impossible_context",
}

_log = log.logger("crypto")
_seconds = Histogram("keyway_crypto_call_seconds", "Calls to the crypto service", ["call"])


@dataclass(frozen=True, slots=True)
class Place:
    """An environment, as the context of its values names it."""

    vault_id: UUID
    github_repo_id: int
    environment_id: UUID


@dataclass(frozen=True, slots=True)
class Entries:
    """Which values an environment holds: parallel arrays, ids of 16 bytes."""

    keys: Sequence[str] = ()
    value_ids: Sequence[bytes] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the environment's row says of its values. `entries` None: the values of the call are all of them."""

    revision: int
    mac: bytes
    entries: Entries | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """From one manifest to the next: `removed` keys leave, and what is sealed comes or replaces."""

    base: Manifest
    next_revision: int
    removed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A value to seal under `value_id`, unless it equals a candidate: an earlier (value id, sealed) of its key."""

    key: str
    value_id: bytes
    text: Sensitive
    candidates: Sequence[tuple[bytes, Sealed]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Per item: its ciphertext, or None because it equals a candidate. `manifest` is None when nothing changed."""

    sealed: Sequence[Sealed | None]
    manifest: bytes | None
    key_version: int


@dataclass(frozen=True, slots=True)
class Stored:
    """Values of one environment as they lie there. `manifest` None: rows of its history, which no manifest holds."""

    place: Place
    entries: Entries
    sealed: Sequence[Sealed]
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Digests:
    """Keyed digests of values, and the key: it was made for this call. A value that could be guessed has None."""

    key: bytes
    digests: Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key of the crypto service: its version, the fingerprint that tells it from others, whether it seals."""

    version: int
    fingerprint: str
    active: bool


class VaultCrypto:
    """A channel to the crypto service. Every method raises errors.Unavailable or errors.IntegrityFailed, no other.

    `bind` must have been called with the instance's id before anything is sealed or opened.
    """

    def __init__(self, address: str, *, ca: Path, certificate: Path, key: Path) -> None:
        credentials = grpc.ssl_channel_credentials(ca.read_bytes(), key.read_bytes(), certificate.read_bytes())
        self._channel = grpc.aio.secure_channel(address, credentials, _OPTIONS)
        self._stub = CryptoStub(self._channel)  # type: ignore[no-untyped-call]
        self._flight = _Flight(BYTES_IN_FLIGHT)
        self._instance = b""
        self._metadata: tuple[tuple[str, str], ...] = ()

    def bind(self, instance_id: UUID) -> None:
        """Says which installation every context belongs to."""
        self._instance = instance_id.bytes

    def insist(self, fingerprints: Sequence[str]) -> None:
        """From now on every call names these keys, and a crypto service that came back with others refuses it."""
        self._metadata = ((_BOUND_TO, ",".join(fingerprints)),)

    async def close(self) -> None:
        """Lets calls under way end within a second."""
        await self._channel.close(grace=1.0)

    async def open(
        self, place: Place, entries: Entries, sealed: Sequence[Sealed], manifest: Manifest | None
    ) -> list[Sensitive]:
        """Opens values of one environment after its manifest was verified, in one call.

        Rows of its history are in no manifest: without one each value is bound by its own context alone.
        """
        request = self._open_request(Stored(place, entries, sealed, manifest))
        response = await self._call("open", self._stub.Open, request, environment=place.environment_id)
        return [Sensitive(plaintext.decode()) for plaintext in response.plaintexts]

    async def measure(self, place: Place, entries: Entries, sealed: Sequence[Sealed], manifest: Manifest | None) -> int:
        """The UTF-8 bytes of values of one environment, together. They are opened inside crypto and stay there."""
        return sum((await self._digest([Stored(place, entries, sealed, manifest)])).sizes)

    async def differing(self, left: Stored, right: Stored) -> set[str]:
        """The keys of `left` whose values are others than those of the same keys in `right`; both hold the same keys,
        in the same order. No plaintext comes here, and the digests are forgotten with the call."""
        found: set[str] = set()
        for part in _pieces(left, right):
            digests = (await self._digest([_piece(one, part) for one in (left, right)])).digests
            pairs = zip(digests[: len(part)], digests[len(part) :], strict=True)
            equal = [hmac.compare_digest(one, other) for one, other in pairs]
            found |= {left.entries.keys[index] for index, same in zip(part, equal, strict=True) if not same}
        return found

    async def digests(self, stored: Stored) -> Digests:
        """Digests of one environment's values with their key, for a client that compares strings of its own."""
        response = await self._digest([stored], give_key=True)
        return Digests(response.key, [one or None for one in response.digests])

    async def reseal(self, stored: Stored, target: Place, into: Entries, change: Change) -> Outcome:
        """Seals values, one by one, for the entries `into` of another place or the same. No plaintext comes here."""
        request = pb.ResealRequest(
            to=self._scope(_PURPOSE_OF_VALUES, target),
            from_keys=stored.entries.keys,
            from_value_ids=stored.entries.value_ids,
            sealed=stored.sealed,
            to_keys=into.keys,
            to_value_ids=into.value_ids,
            from_manifest=_manifest(stored.manifest) if stored.manifest is not None else None,
            manifest=_manifest_change(change, Entries()),
            **{"from": self._scope(_PURPOSE_OF_VALUES, stored.place)},
        )
        made = await self._call("reseal", self._stub.Reseal, request, environment=target.environment_id)
        return Outcome(Sealed.many(made.sealed), made.manifest or None, made.key_version)

    async def seal(self, place: Place, items: Sequence[Item], change: Change, *, echo: bool) -> Outcome:
        """Seals what is new and makes the manifest that follows, in the fewest calls that the message size allows.

        With `echo` a value also equals a candidate's lossy rendering on the legacy wire (contract.md 11.6).
        """
        sealed: list[Sealed | None] = []
        added = Entries([], [])
        *parts, last = _parts(items)
        for part in parts:
            response = await self._seal(place, part, None, echo=echo)
            new = [item for item, one in zip(part, response.sealed, strict=True) if one]
            added = Entries([*added.keys, *[i.key for i in new]], [*added.value_ids, *[i.value_id for i in new]])
            sealed += [Sealed(one) if one else None for one in response.sealed]
        response = await self._seal(place, last, _manifest_change(change, added), echo=echo)
        sealed += [Sealed(one) if one else None for one in response.sealed]
        return Outcome(sealed, response.manifest or None, response.key_version)

    async def equals(self, place: Place, item: Item) -> bool:
        """Whether the text of an item equals one of its candidates. Nothing is kept of it."""
        return not (await self._seal(place, [item], None, echo=False)).sealed[0]

    async def seal_text(self, purpose: str, name: str, row_id: UUID, text: Sensitive) -> Sealed:
        """Seals a credential that belongs to a row and not to a vault, such as purpose "github-token"."""
        item = pb.SealItem(key=name, value_id=row_id.bytes, plaintext=text.reveal().encode())
        request = pb.SealRequest(scope=self._scope(purpose), items=[item])
        return Sealed((await self._call("seal", self._stub.Seal, request)).sealed[0])

    async def open_text(self, purpose: str, name: str, row_id: UUID, sealed: Sealed) -> Sensitive:
        """Opens what `seal_text` sealed for the same purpose, name and row."""
        request = pb.OpenRequest(
            scope=self._scope(purpose), keys=[name], value_ids=[row_id.bytes], sealed=[bytes(sealed)]
        )
        return Sensitive((await self._call("open", self._stub.Open, request)).plaintexts[0].decode())

    async def keys(self) -> list[KeyInfo]:
        """Versions and fingerprints, lowest version first."""
        response = await self._call("status", self._stub.Status, pb.StatusRequest())
        return [KeyInfo(key.version, key.fingerprint, key.active) for key in response.keys]

    async def version(self) -> str:
        """The version of the crypto service."""
        return str((await self._call("status", self._stub.Status, pb.StatusRequest())).version)

    async def _digest(self, stored: Sequence[Stored], *, give_key: bool = False) -> pb.DigestResponse:
        request = pb.DigestRequest(environments=[self._open_request(one) for one in stored], give_key=give_key)
        where = stored[0].place.environment_id
        response: pb.DigestResponse = await self._call("digest", self._stub.Digest, request, environment=where)
        return response

    def _open_request(self, stored: Stored) -> pb.OpenRequest:
        return pb.OpenRequest(
            scope=self._scope(_PURPOSE_OF_VALUES, stored.place),
            keys=stored.entries.keys,
            value_ids=stored.entries.value_ids,
            sealed=stored.sealed,
            manifest=_manifest(stored.manifest) if stored.manifest is not None else None,
        )

    async def _seal(
        self, place: Place, items: Sequence[Item], change: pb.ManifestChange | None, *, echo: bool
    ) -> pb.SealResponse:
        request = pb.SealRequest(
            scope=self._scope(_PURPOSE_OF_VALUES, place),
            items=[_seal_item(item) for item in items],
            compare=pb.EXACT_OR_LEGACY_ECHO if echo else pb.EXACT,
            manifest=change,
        )
        response: pb.SealResponse = await self._call("seal", self._stub.Seal, request, environment=place.environment_id)
        return response

    def _scope(self, purpose: str, place: Place | None = None) -> pb.Scope:
        if not self._instance:
            raise RuntimeError("bind() comes before anything is sealed or opened")
        if place is None:
            return pb.Scope(purpose=purpose, instance_id=self._instance)
        return pb.Scope(
            purpose=purpose,
            instance_id=self._instance,
            vault_id=place.vault_id.bytes,
            github_repository_id=place.github_repo_id,
            environment_id=place.environment_id.bytes,
        )

    async def _call(
        self, name: str, method: Callable[..., Awaitable[Any]], request: Any, *, environment: UUID | None = None
    ) -> Any:
        """One RPC within the deadline, tried again once if the connection failed."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._flight.of(request.ByteSize()):
                try:
                    return await method(request, timeout=DEADLINE_SECONDS, metadata=self._metadata)
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    left = DEADLINE_SECONDS - (time.monotonic() - started)
                    return await method(request, timeout=left, wait_for_ready=True, metadata=self._metadata)
        except TimeoutError:
            raise _unavailable(name, grpc.StatusCode.DEADLINE_EXCEEDED) from None
        except grpc.aio.AioRpcError as error:
            raise _refusal(name, error, environment) from None
        finally:
            _seconds.labels(name).observe(time.monotonic() - started)


class _Flight:
    """Bounds the bytes of all calls under way, first come, first served. One call may always go."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        if self._waiting or not self._fits(size):
            await self._wait(size)
        else:
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            self._wake()

    def _fits(self, size: int) -> bool:
        return self._used == 0 or self._used + size <= self._limit

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._used -= size
            self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.done() and not self._fits(size):
                return
            self._waiting.popleft()
            if not turn.done():
                self._used += size
                turn.set_result(None)


def alarm(kind: str, environment: UUID | None) -> errors.IntegrityFailed:
    """Tells the operator that stored data was tampered with or damaged. The error to raise tells the caller nothing."""
    metrics.integrity_alarm(kind, environment_id=str(environment) if environment else None)
    return errors.IntegrityFailed()


def _refusal(call: str, error: grpc.aio.AioRpcError, environment: UUID | None) -> errors.Unavailable:
    code = error.code()
    if code in _TAMPERED:
        return alarm(_TAMPERED[code], environment)
    metadata: Any = error.trailing_metadata() or ()
    told = str(dict(metadata).get("retry-after", ""))
    return _unavailable(call, code, int(told) if told.isdecimal() else 5)


def _unavailable(call: str, code: grpc.StatusCode, retry_after: int = 5) -> errors.Unavailable:
    _log.error("crypto_unavailable", call=call, code=code.name)
    return errors.Unavailable(
        "The crypto service cannot answer. Nothing was changed; try again.", retry_after_seconds=retry_after
    )


def _manifest(manifest: Manifest) -> pb.Manifest:
    if manifest.entries is None:
        return pb.Manifest(revision=manifest.revision, mac=manifest.mac, entries_are_items=True)
    return pb.Manifest(
        revision=manifest.revision,
        mac=manifest.mac,
        keys=manifest.entries.keys,
        value_ids=manifest.entries.value_ids,
    )


def _manifest_change(change: Change, added: Entries) -> pb.ManifestChange:
    return pb.ManifestChange(
        base=_manifest(change.base),
        next_revision=change.next_revision,
        removed=change.removed,
        added_keys=added.keys,
        added_value_ids=added.value_ids,
    )


def _seal_item(item: Item) -> pb.SealItem:
    return pb.SealItem(
        key=item.key,
        value_id=item.value_id,
        plaintext=item.text.reveal().encode(),
        candidates=[pb.Candidate(value_id=value_id, sealed=sealed) for value_id, sealed in item.candidates],
    )


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Cuts where the next item would make the message too large. There is always a last part: it has the manifest."""
    start, size, values = 0, 0, 0
    room = GRPC_MESSAGE_BYTES - _MANIFEST_RESERVE
    for index, item in enumerate(items):
        weight, count = _weight(item), 1 + len(item.candidates)
        if index > start and (size + weight > room or values + count > _VALUES_PER_CALL):
            yield items[start:index]
            start, size, values = index, 0, 0
        size, values = size + weight, values + count
    yield items[start:]


def _weight(item: Item) -> int:
    """An upper bound of an item's bytes on the wire."""
    text = item.text.reveal()
    plaintext = len(text) if text.isascii() else len(text.encode())
    candidates = sum([len(sealed) + _ITEM_RESERVE for _, sealed in item.candidates])
    return plaintext + len(item.key) + candidates + _ITEM_RESERVE


def _pieces(left: Stored, right: Stored) -> Iterator[Sequence[int]]:
    """Cuts two environments where the next pair of values would make the message too large."""
    part: list[int] = []
    size, room = 0, GRPC_MESSAGE_BYTES - 2 * _MANIFEST_RESERVE
    for index, (one, other) in enumerate(zip(left.sealed, right.sealed, strict=True)):
        weight = len(one) + len(other) + 2 * (len(left.entries.keys[index]) + _ITEM_RESERVE)
        if part and size + weight > room:
            yield part
            part, size = [], 0
        part.append(index)
        size += weight
    if part:
        yield part


def _piece(stored: Stored, part: Sequence[int]) -> Stored:
    keys, ids = stored.entries.keys, stored.entries.value_ids
    entries = Entries([keys[index] for index in part], [ids[index] for index in part])
    return Stored(stored.place, entries, [stored.sealed[index] for index in part], stored.manifest)
