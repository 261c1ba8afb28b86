"""The calls of crypto.proto over gRPC: messages in, messages out, one place where refusals become status codes."""

import asyncio
import hmac
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from keyway_core.guessing import guessable
from keyway_core.legacy_env import legacy_echo
from keyway_core.limits import GRPC_MESSAGE_BYTES
from keyway_protos import crypto_pb2 as pb

from keyway_crypto import VERSION, manifest
from keyway_crypto.caller_auth import Budget
from keyway_crypto.envelope import Scope, entries, open_, seal
from keyway_crypto.errors import BudgetError, IntegrityError, InvalidCallError, RefusedError, UnknownKeyVersionError
from keyway_crypto.keyring import KeyRing

SERVICE = "keyway.crypto.v1.Crypto"
VALUES_PER_CALL = 10_000
BOUND_TO = "keyway-bound-to"
_SLICE = 128
_LARGE_CALL_BYTES = 262_144
_STATUS = {
    InvalidCallError: grpc.StatusCode.INVALID_ARGUMENT,
    IntegrityError: grpc.StatusCode.DATA_LOSS,
    UnknownKeyVersionError: grpc.StatusCode.FAILED_PRECONDITION,
    BudgetError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_log = logging.getLogger(__name__)
_Blobs = Sequence[bytes]
_Items = tuple[Sequence[str], _Blobs]  # keys, and the `entries` of each with its value id
_Step = Callable[[KeyRing, Scope, _Blobs, _Blobs], list[bytes]]
_Call = Callable[[Any, str], Awaitable[Message]]


class CryptoServicer:
    """The five calls of crypto.proto. Each raises RefusedError.
    One event loop runs them all. A call works on slices of 128 values and lets the others run in between, so a small
    call waits for a slice and not for a batch. Calls over 256 KiB take turns, which bounds the memory."""

    def __init__(self, ring: KeyRing, budget: Budget) -> None:
        self._ring, self._budget = ring, budget
        self._fingerprints, self._large = set(ring.fingerprints().values()), asyncio.Lock()
        self._calls, self._values = 0, Counter[_Step]()

    def handler(self) -> "grpc.GenericRpcHandler[Any, Any]":
        """What a server registers. Requests arrive as bytes, so that their size is known before they are parsed."""
        calls: list[_Call] = [self.seal, self.open, self.reseal, self.digest, self.status]
        kinds = {call.__name__.capitalize(): call for call in calls}
        methods = {name: self._method(getattr(pb, f"{name}Request"), call) for name, call in kinds.items()}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def seal(self, request: pb.SealRequest, peer: str) -> pb.SealResponse:
        """Seals the items that equal none of their candidates, and makes the manifest that follows."""
        items, scope = request.items, _scope(request.scope)
        self._admit(peer, len(items) + sum([len(item.candidates) for item in items]))
        keys = [item.key for item in items]
        places = entries(keys, [item.value_id for item in items])
        matched = await self._match(scope, items, echo=request.compare == pb.EXACT_OR_LEGACY_ECHO)
        fresh = [index for index, candidate in enumerate(matched) if candidate < 0]
        made = await self._run(seal, scope, [places[i] for i in fresh], [items[i].plaintext for i in fresh])
        following = self._follow(scope, request, ([keys[i] for i in fresh], [places[i] for i in fresh]))
        by_index = dict(zip(fresh, made, strict=True))
        sealed = [by_index.get(index, b"") for index in range(len(items))]
        return pb.SealResponse(sealed=sealed, matched=matched, manifest=following, key_version=self._ring.active)

    async def open(self, request: pb.OpenRequest, peer: str) -> pb.OpenResponse:
        """Opens all items or none, after the manifest if there is one."""
        self._admit(peer, len(request.sealed))
        return pb.OpenResponse(plaintexts=await self._opened(request))

    async def reseal(self, request: pb.ResealRequest, peer: str) -> pb.ResealResponse:
        """Opens all items in one place and seals them in another, or in the same one under the active key."""
        old, new = _scope(getattr(request, "from")), _scope(request.to)
        if (old.purpose, old.instance) != (new.purpose, new.instance):
            raise InvalidCallError("a value keeps its purpose and its instance")
        self._admit(peer, 2 * len(request.sealed))
        places = entries(request.from_keys, request.from_value_ids)
        targets = entries(request.to_keys, request.to_value_ids)
        if request.HasField("from_manifest"):
            self._verify(old, request.from_manifest, (request.from_keys, places))
        sealed = await self._run(seal, new, targets, await self._run(open_, old, places, request.sealed))
        whole = (request.from_keys, places) if old == new else None
        following = self._follow(new, request, (request.to_keys, targets), whole)
        return pb.ResealResponse(sealed=sealed, manifest=following, key_version=self._ring.active)

    async def digest(self, request: pb.DigestRequest, peer: str) -> pb.DigestResponse:
        """HMAC-SHA256 of values under a key of this call alone. Rows of history have no manifest: they are measured."""
        self._admit(peer, sum([len(one.sealed) for one in request.environments]))
        key, digests, sizes = os.urandom(32), list[bytes](), list[int]()
        for one in request.environments:
            values, whole = await self._opened(one), one.HasField("manifest")
            left_out = [not whole or (request.give_key and guessable(value)) for value in values]
            digests += [b"" if out else hmac.digest(key, v, "sha256") for v, out in zip(values, left_out, strict=True)]
            sizes += map(len, values)
        return pb.DigestResponse(digests=digests, sizes=sizes, key=key if request.give_key else b"")

    async def status(self, _request: pb.StatusRequest, _peer: str) -> pb.StatusResponse:
        """Versions, fingerprints, counters since the start. A status call does not count itself."""
        active, prints = self._ring.active, self._ring.fingerprints().items()
        keys = [pb.KeyInfo(version=number, fingerprint=text, active=number == active) for number, text in prints]
        done = {"values_sealed": self._values[seal], "values_opened": self._values[open_], "calls": self._calls}
        return pb.StatusResponse(version=VERSION, keys=keys, **done)

    def _admit(self, peer: str, values: int) -> None:
        self._calls += 1
        if values > VALUES_PER_CALL:
            raise InvalidCallError(f"a call may hold at most {VALUES_PER_CALL} values")
        self._budget.spend(peer, values)

    async def _opened(self, request: pb.OpenRequest) -> list[bytes]:
        scope, places = _scope(request.scope), entries(request.keys, request.value_ids)
        if request.HasField("manifest"):
            self._verify(scope, request.manifest, (request.keys, places))
        return await self._run(open_, scope, places, request.sealed)

    async def _run(self, step: _Step, scope: Scope, places: _Blobs, blobs: _Blobs) -> list[bytes]:
        if len(places) != len(blobs):
            raise InvalidCallError("keys and sealed differ in length")
        self._values[step] += len(blobs)
        made = step(self._ring, scope, places[:_SLICE], blobs[:_SLICE])
        for start in range(_SLICE, len(places), _SLICE):
            await asyncio.sleep(0)
            made += step(self._ring, scope, places[start : start + _SLICE], blobs[start : start + _SLICE])
        return made

    async def _match(self, scope: Scope, items: Sequence[pb.SealItem], *, echo: bool) -> list[int]:
        """Per item the first candidate of the same plaintext, or -1. Every candidate must open."""
        flat = [(index, number, one) for index, item in enumerate(items) for number, one in enumerate(item.candidates)]
        places = entries([items[index].key for index, _, _ in flat], [one.value_id for _, _, one in flat])
        earlier = await self._run(open_, scope, places, [one.sealed for _, _, one in flat])
        matched = [-1] * len(items)
        for (index, number, _), value in zip(flat, earlier, strict=True):
            if matched[index] < 0 and _same(items[index].plaintext, value, echo=echo):
                matched[index] = number
        return matched

    def _verify(self, scope: Scope, stored: pb.Manifest, items: _Items) -> None:
        """Raises IntegrityError unless the manifest is right and holds every item."""
        if not set(items[1]).issubset(self._base(scope, stored, items).members.values()):
            raise IntegrityError

    def _base(self, scope: Scope, stored: pb.Manifest, items: _Items | None) -> manifest.Base:
        if not stored.entries_are_items:
            items = stored.keys, entries(stored.keys, stored.value_ids)
        elif items is None or stored.keys:
            raise InvalidCallError("entries_are_items does not fit this call")
        return manifest.verify(self._ring, scope, stored.revision, *items, stored.mac)

    def _follow(self, scope: Scope, request: Any, items: _Items, whole: _Items | None = None) -> bytes:
        """The manifest that holds `items` too; empty when none is asked for or nothing changed. The base that it stands
        on is verified first, and `whole` is what that one holds when it says that its entries are the items."""
        if not request.HasField("manifest"):
            return b""
        change = request.manifest
        keys, places = [*change.added_keys, *items[0]], [*entries(change.added_keys, change.added_value_ids), *items[1]]
        added = dict(zip(keys, places, strict=True))
        if len(added) != len(keys):
            raise InvalidCallError("a key comes twice")
        base = self._base(scope, change.base, whole)
        return manifest.follow(self._ring, base, change.next_revision, change.removed, added)

    def _method(self, kind: type[Message], call: _Call) -> "grpc.RpcMethodHandler[Any, Any]":
        async def answer(raw: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> bytes:
            try:
                return await self._work(kind, call, raw, context)
            except (RefusedError, DecodeError) as caught:
                error = caught if isinstance(caught, RefusedError) else InvalidCallError("not a message of this call")
                status = _STATUS[type(error)]
                fields = {"call": kind.DESCRIPTOR.name, "status": status.name, "peer": context.peer()}
                _log.warning("call refused", extra={"fields": fields})
                retry = (("retry-after", str(error.retry_after)),) if isinstance(error, BudgetError) else ()
                await context.abort(status, str(error), retry)
            except Exception as error:
                fields = {"call": kind.DESCRIPTOR.name, "error": type(error).__name__}
                _log.error("call failed", extra={"fields": fields})  # without a traceback: it may quote a value
                await context.abort(grpc.StatusCode.INTERNAL, "internal error")
                raise

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _work(self, kind: type[Message], call: _Call, raw: bytes, context: Any) -> bytes:
        # A caller names the fingerprints that its data is bound to. Without any of them nothing may be sealed here: it
        # would carry a version number that means another key there.
        named = dict(context.invocation_metadata() or ()).get(BOUND_TO)
        if named and kind is not pb.StatusRequest and self._fingerprints.isdisjoint(named.split(",")):
            raise UnknownKeyVersionError("none of the keys that the caller is bound to is here")
        async with self._large if len(raw) > _LARGE_CALL_BYTES else nullcontext():
            response = (await call(kind.FromString(raw), context.peer().rpartition(":")[0])).SerializeToString()
        if len(response) > GRPC_MESSAGE_BYTES:
            raise InvalidCallError(f"the answer would be over {GRPC_MESSAGE_BYTES} bytes: split the call")
        return response


def _scope(sent: pb.Scope) -> Scope:
    return Scope(sent.purpose, sent.instance_id, sent.vault_id, sent.github_repository_id, sent.environment_id)


def _same(value: bytes, earlier: bytes, *, echo: bool) -> bool:
    rendered = earlier
    if echo and b"\n" in earlier:
        rendered = legacy_echo(earlier.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return hmac.compare_digest(value, earlier) or hmac.compare_digest(value, rendered)
