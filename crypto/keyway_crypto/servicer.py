"""Seal, Open, Reseal and Status over gRPC: messages in, messages out, one place where refusals become status codes."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from keyway_core.legacy_env import legacy_echo
from keyway_core.limits import GRPC_MESSAGE_BYTES
from keyway_protos import crypto_pb2 as pb

from keyway_crypto import VERSION, envelope, manifest
from keyway_crypto.caller_auth import Budget
from keyway_crypto.envelope import Scope, entries
from keyway_crypto.errors import BudgetError, IntegrityError, InvalidCallError, RefusedError, UnknownKeyVersionError
from keyway_crypto.keyring import KeyRing

SERVICE = "keyway.crypto.v1.Crypto"
VALUES_PER_CALL = 10_000
BOUND_TO = "keyway-bound-to"

_SLICE = 128
_LARGE_CALL_BYTES = 262_144
_log = logging.getLogger(__name__)
_Request = TypeVar("_Request", bound=Message)
_Step = Callable[[KeyRing, Scope, Sequence[bytes], Sequence[bytes]], list[bytes]]


class CryptoServicer:
    """The four calls of crypto.proto. Each raises RefusedError.

    One event loop runs them all. A call works on slices of 128 values and lets the others run in between, so a small
    call waits for a slice and not for a batch. Calls over 256 KiB take turns, which bounds the memory.
    """

    def __init__(self, ring: KeyRing, budget: Budget) -> None:
        self._ring, self._budget = ring, budget
        self._fingerprints = set(ring.fingerprints().values())
        self._large = asyncio.Lock()
        self._sealed = self._opened = self._calls = 0

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """What a server registers. Requests arrive as bytes, so that their size is known before they are parsed."""
        methods = {
            "Seal": self._method(pb.SealRequest, self.seal),
            "Open": self._method(pb.OpenRequest, self.open),
            "Reseal": self._method(pb.ResealRequest, self.reseal),
            "Status": self._method(pb.StatusRequest, self.status),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def seal(self, request: pb.SealRequest, peer: str) -> pb.SealResponse:
        """Seals the items that equal none of their candidates, and makes the manifest that follows."""
        items, scope = request.items, _scope(request.scope)
        self._admit(peer, len(items) + sum([len(item.candidates) for item in items]))
        keys = [item.key for item in items]
        places = entries(keys, [item.value_id for item in items])
        base = self._base(scope, request.manifest.base) if request.HasField("manifest") else None
        matched = await self._match(scope, items, echo=request.compare == pb.EXACT_OR_LEGACY_ECHO)
        fresh = [index for index, candidate in enumerate(matched) if candidate < 0]
        made = await self._seal(scope, [places[i] for i in fresh], [items[i].plaintext for i in fresh])
        following = self._follow(base, request.manifest, [keys[i] for i in fresh], [places[i] for i in fresh])
        sealed = [b""] * len(items)
        for index, blob in zip(fresh, made, strict=True):
            sealed[index] = blob
        return pb.SealResponse(sealed=sealed, matched=matched, manifest=following, key_version=self._ring.active)

    async def open(self, request: pb.OpenRequest, peer: str) -> pb.OpenResponse:
        """Opens all items or none, after the manifest if there is one."""
        scope = _scope(request.scope)
        self._admit(peer, len(request.sealed))
        places = entries(request.keys, request.value_ids)
        if request.HasField("manifest"):
            self._verify(scope, request.manifest, request.keys, places)
        return pb.OpenResponse(plaintexts=await self._open(scope, places, request.sealed))

    async def reseal(self, request: pb.ResealRequest, peer: str) -> pb.ResealResponse:
        """Opens all items in one place and seals them in another, or in the same one under the active key."""
        old, new = _scope(getattr(request, "from")), _scope(request.to)
        if (old.purpose, old.instance) != (new.purpose, new.instance):
            raise InvalidCallError("a value keeps its purpose and its instance")
        self._admit(peer, 2 * len(request.sealed))
        places = entries(request.from_keys, request.from_value_ids)
        targets = entries(request.to_keys, request.to_value_ids)
        if request.HasField("from_manifest"):
            self._verify(old, request.from_manifest, request.from_keys, places)
        whole = (request.from_keys, places) if old == new else None
        base = self._base(new, request.manifest.base, whole) if request.HasField("manifest") else None
        sealed = await self._seal(new, targets, await self._open(old, places, request.sealed))
        following = self._follow(base, request.manifest, request.to_keys, targets)
        return pb.ResealResponse(sealed=sealed, manifest=following, key_version=self._ring.active)

    async def status(self, _request: pb.StatusRequest, _peer: str) -> pb.StatusResponse:
        """Versions, fingerprints, counters since the start. A status call does not count itself."""
        keys = [
            pb.KeyInfo(version=version, fingerprint=fingerprint, active=version == self._ring.active)
            for version, fingerprint in self._ring.fingerprints().items()
        ]
        counters = {"values_sealed": self._sealed, "values_opened": self._opened, "calls": self._calls}
        return pb.StatusResponse(version=VERSION, keys=keys, **counters)

    def _refuse_other_keys(self, metadata: Any) -> None:
        """A caller names the fingerprints that its data is bound to. Without any of them nothing may be sealed here: it
        would carry a version number that means another key there. Raises UnknownKeyVersionError."""
        named = dict(metadata or ()).get(BOUND_TO)
        if named and self._fingerprints.isdisjoint(named.split(",")):
            raise UnknownKeyVersionError("none of the keys that the caller is bound to is here")

    def _admit(self, peer: str, values: int) -> None:
        self._calls += 1
        if values > VALUES_PER_CALL:
            raise InvalidCallError(f"a call may hold at most {VALUES_PER_CALL} values")
        self._budget.spend(peer, values)

    async def _open(self, scope: Scope, places: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
        self._opened += len(sealed)
        return await self._in_turns(envelope.open_, scope, places, sealed)

    async def _seal(self, scope: Scope, places: Sequence[bytes], plaintexts: Sequence[bytes]) -> list[bytes]:
        self._sealed += len(plaintexts)
        return await self._in_turns(envelope.seal, scope, places, plaintexts)

    async def _in_turns(
        self, step: _Step, scope: Scope, places: Sequence[bytes], blobs: Sequence[bytes]
    ) -> list[bytes]:
        if len(places) != len(blobs):
            raise InvalidCallError("keys and sealed differ in length")
        made = step(self._ring, scope, places[:_SLICE], blobs[:_SLICE])
        for start in range(_SLICE, len(places), _SLICE):
            await asyncio.sleep(0)
            made += step(self._ring, scope, places[start : start + _SLICE], blobs[start : start + _SLICE])
        return made

    async def _match(self, scope: Scope, items: Sequence[pb.SealItem], *, echo: bool) -> list[int]:
        """Per item the first candidate of the same plaintext, or -1. Every candidate must open."""
        flat = [(index, number, one) for index, item in enumerate(items) for number, one in enumerate(item.candidates)]
        places = entries([items[index].key for index, _, _ in flat], [one.value_id for _, _, one in flat])
        earlier = await self._open(scope, places, [one.sealed for _, _, one in flat])
        matched = [-1] * len(items)
        for (index, number, _), value in zip(flat, earlier, strict=True):
            if matched[index] < 0 and _same(items[index].plaintext, value, echo=echo):
                matched[index] = number
        return matched

    def _verify(self, scope: Scope, stored: pb.Manifest, keys: Sequence[str], places: Sequence[bytes]) -> None:
        """Raises IntegrityError unless the manifest is right and holds every item."""
        base = self._base(scope, stored, (keys, places))
        if not set(places).issubset(base.members.values()):
            raise IntegrityError

    def _base(
        self, scope: Scope, stored: pb.Manifest, items: tuple[Sequence[str], Sequence[bytes]] | None = None
    ) -> manifest.Base:
        if not stored.entries_are_items:
            items = stored.keys, entries(stored.keys, stored.value_ids)
        elif items is None or stored.keys:
            raise InvalidCallError("entries_are_items does not fit this call")
        return manifest.verify(self._ring, scope, stored.revision, *items, stored.mac)

    def _follow(
        self, base: manifest.Base | None, change: pb.ManifestChange, keys: Sequence[str], places: Sequence[bytes]
    ) -> bytes:
        if base is None:
            return b""
        keys = [*change.added_keys, *keys]
        added = dict(zip(keys, [*entries(change.added_keys, change.added_value_ids), *places], strict=True))
        if len(added) != len(keys):
            raise InvalidCallError("a key comes twice")
        return manifest.follow(self._ring, base, change.next_revision, change.removed, added)

    def _method(
        self, kind: type[_Request], work: Callable[[_Request, str], Awaitable[Message]]
    ) -> grpc.RpcMethodHandler[Any, Any]:
        async def answer(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            try:
                if kind is not pb.StatusRequest:
                    self._refuse_other_keys(context.invocation_metadata())
                async with self._large if len(raw) > _LARGE_CALL_BYTES else nullcontext():
                    response = await work(kind.FromString(raw), context.peer().rpartition(":")[0])
                    return _bounded(response.SerializeToString())
            except (RefusedError, DecodeError) as caught:
                error = caught if isinstance(caught, RefusedError) else InvalidCallError("not a message of this call")
                fields = {"call": kind.DESCRIPTOR.name, "status": error.status, "peer": context.peer()}
                _log.warning("call refused", extra={"fields": fields})
                retry = (("retry-after", str(error.retry_after)),) if isinstance(error, BudgetError) else ()
                await context.abort(grpc.StatusCode[error.status], str(error), retry)
            except Exception as error:
                fields = {"call": kind.DESCRIPTOR.name, "error": type(error).__name__}
                _log.error("call failed", extra={"fields": fields})  # without a traceback: it may quote a value
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
                raise

        return grpc.unary_unary_rpc_method_handler(answer)


def _bounded(response: bytes) -> bytes:
    if len(response) > GRPC_MESSAGE_BYTES:
        raise InvalidCallError(f"the answer would be over {GRPC_MESSAGE_BYTES} bytes: split the call")
    return response


def _scope(message: pb.Scope) -> Scope:
    place = message.vault_id, message.github_repository_id, message.environment_id
    return Scope(message.purpose, message.instance_id, *place)


def _same(value: bytes, earlier: bytes, *, echo: bool) -> bool:
    rendered = earlier
    if echo and b"\n" in earlier:
        rendered = legacy_echo(earlier.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return hmac.compare_digest(value, earlier) or hmac.compare_digest(value, rendered)
