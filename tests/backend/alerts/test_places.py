"""Where reads come from: ipinfo (a stand-in), a database file, or nowhere; new places and journeys that cannot be."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from keyway_backend.clients.geoip import GeoDatabase, Location, LocationUnknown, Nowhere, is_public, locator
from stack import running_stack

from tests.backend.alerts.watching import judged, read, wait_for
from tests.oracle import stage
from tests.oracle.stage import Home
from tests.standins import ipinfo
from tests.standins.door import Door, door_to
from tests.standins.web import Standin

PARIS = {"country": "FR", "city": "Paris", "loc": "48.8566,2.3522"}
LYON = {"country": "FR", "city": "Lyon", "loc": "45.7640,4.8357"}
TOKYO = {"country": "JP", "city": "Tokyo", "loc": "35.6762,139.6503"}
ADDRESSES = {"8.8.8.1": PARIS, "8.8.8.2": LYON, "8.8.8.3": TOKYO}


@pytest.fixture(scope="module")
def world() -> ipinfo.World:
    """Three cities."""
    return ipinfo.World(dict(ADDRESSES))


@pytest.fixture(scope="module")
def asked(world: ipinfo.World) -> Iterator[Standin]:
    """ipinfo."""
    with ipinfo.running(world) as standin:
        yield standin


@pytest.fixture(scope="module")
def door(asked: Standin) -> Iterator[Door]:
    """The way to ipinfo."""
    with door_to(urlsplit(asked.url).port or 0) as made:
        yield made


@pytest.fixture(scope="module")
def home(door: Door) -> Iterator[Home]:
    """A vault on an installation that asks ipinfo, behind a proxy that says where requests come from."""
    variables = {"IPINFO_TOKEN": ipinfo.TOKEN, "IPINFO_URL": door.url, "TRUSTED_PROXIES": "127.0.0.0/8"}
    with running_stack(backend_env=variables) as stack:
        yield stage.home(stack, "places")


def read_from(home: Home, token: str, address: str) -> None:
    """A read as the proxy passes it on."""
    read(home, token, "keyway-cli/1.0", ("X-Forwarded-For", address))


def kinds(home: Home, token: str, *addresses: str) -> list[set[str]]:
    """The alerts of each address that is read from now."""
    for address in addresses:
        read_from(home, token, address)
    found = judged(home)
    return [{alert["type"] for alert in found if alert["event"]["ip"] == address} for address in addresses]


def test_places_and_journeys(home: Home, asked: Standin, world: ipinfo.World, door: Door) -> None:
    """Paris is new, Lyon is near, Tokyo a minute later cannot be; private addresses are nobody's business; a service
    that is slow or broken delays no answer, and no place is known then."""
    assert kinds(home, home.token, "8.8.8.1") == [{"new_device", "new_location"}]
    assert kinds(home, home.token, "8.8.8.2") == [{"new_device"}]
    assert kinds(home, home.token, "8.8.8.3") == [{"new_device", "new_location", "impossible_travel"}]
    [journey] = [alert for alert in judged(home) if alert["type"] == "impossible_travel"]
    assert journey["event"]["location"] == {"country": "JP", "city": "Tokyo"}
    assert kinds(home, home.with_role("read"), "8.8.8.1") == [{"new_device", "new_location"}]
    assert kinds(home, home.token, "10.1.2.3", "192.168.1.1", "127.4.4.4", "fd00::1") == [{"new_device"}] * 4
    assert sorted(asked.calls()) == [f"GET /{address}/json" for address in sorted(ADDRESSES)]
    log = home.get("/v1/users/me/security/access-log").json()["data"]["events"]
    assert {event["location"]["city"] for event in log} == {"Paris", "Lyon", "Tokyo", None}
    world.broken = True
    door.be("slow")
    read_from(home, home.token, "8.8.4.0")
    assert door.given_up == 0, "the read waited for its place"
    wait_for(lambda: door.held or door.given_up)
    for number in range(3):
        read_from(home, home.token, f"8.8.4.{number}")
    door.let()
    assert kinds(home, home.token, "8.8.4.2") == [{"new_device"}]


class TestLocators:
    """Where an address is said to be."""

    def test_nobody_is_asked_without_a_file_or_a_token(self) -> None:
        """Off by default."""
        assert isinstance(locator(None, "https://ipinfo.io", ""), Nowhere)

    @pytest.mark.parametrize(
        "address", ["10.0.0.1", "127.0.0.1", "::1", "fe80::1", "169.254.1.1", "x", "", "100.64.0.1"]
    )
    def test_private_addresses_have_no_place(self, address: str) -> None:
        """They are not looked up."""
        assert not is_public(address)

    def test_a_service_that_does_not_answer(self) -> None:
        """Unknown, and not asked again for a while."""

        async def work() -> None:
            service = locator(None, "http://127.0.0.1:9", "token")
            for _ in range(2):
                with pytest.raises(LocationUnknown):
                    await service.locate("8.8.8.8")
            await service.close()

        asyncio.run(work())

    def test_a_database_file(self, tmp_path: Path) -> None:
        """Country, city and place of an address that the file has; nothing for one that it does not have."""
        path = tmp_path / "places.mmdb"
        record = {
            "country": {"iso_code": "FR"}, "city": {"names": {"en": "Paris"}},
            "location": {"latitude": 48.5, "longitude": 2.25},
        }  # fmt: skip
        path.write_bytes(geo_file("8.8.8.0/24", record))

        async def work() -> None:
            file = locator(path, "", "ignored")
            assert isinstance(file, GeoDatabase)
            assert await file.locate("8.8.8.8") == Location("FR", "Paris", 48.5, 2.25)
            for nothing in ("9.9.9.9", "2001:4860::8888", "10.0.0.1"):
                assert await file.locate(nothing) == Location()
            await file.close()

        asyncio.run(work())


def geo_file(network: str, record: dict[str, Any]) -> bytes:
    """A file in MaxMind's format with one IPv4 network: a path of nodes, one per bit, and one record."""
    net = ipaddress.ip_network(network)
    bits, count = int(net.network_address), net.prefixlen
    tree = bytearray()
    for depth in range(count):
        onward = depth + 1 if depth + 1 < count else count + 16
        pair = [count, count]
        pair[bits >> (31 - depth) & 1] = onward
        tree += b"".join(one.to_bytes(3, "big") for one in pair)
    about = {
        "binary_format_major_version": short(2), "binary_format_minor_version": short(0),
        "build_epoch": bytes([8, 2]) + struct.pack(">Q", 1), "database_type": "City", "description": {"en": "test"},
        "ip_version": short(4), "languages": ["en"], "node_count": bytes([6 << 5 | 4]) + struct.pack(">I", count),
        "record_size": short(24),
    }  # fmt: skip
    return bytes(tree) + bytes(16) + _encoded(record) + b"\xab\xcd\xefMaxMind.com" + _encoded(about)


def short(number: int) -> bytes:
    """A number of two bytes, encoded."""
    return bytes([5 << 5 | 2]) + struct.pack(">H", number)


def _encoded(value: Any) -> bytes:
    """The few kinds of data that the records here hold."""
    match value:
        case bytes():
            return value
        case str():
            return bytes([2 << 5 | len(value)]) + value.encode()
        case float():
            return bytes([3 << 5 | 8]) + struct.pack(">d", value)
        case dict():
            inner = b"".join(_encoded(name) + _encoded(one) for name, one in value.items())
            return bytes([7 << 5 | len(value)]) + inner
        case list():
            return bytes([len(value), 11 - 7]) + b"".join(map(_encoded, value))
    raise TypeError(type(value).__name__)
