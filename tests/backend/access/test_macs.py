"""Codes on rows that grant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Final
from uuid import UUID

from keyway_backend.access.macs import Macs, Purpose

SECRET: Final = "one secret of a backend, for this test"
OTHER: Final = "another secret of a backend, for this test"
MOMENT: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
FIELDS: Final = (UUID(int=5), 7, "write", None, MOMENT, True)


class TestRefuses:
    """What is no code of this backend."""

    def test_another_secret(self) -> None:
        """A code of another backend does not fit."""
        assert not Macs(OTHER).fits(Macs(SECRET).make(Purpose.ROLE, *FIELDS), Purpose.ROLE, *FIELDS)

    def test_another_purpose(self) -> None:
        """A code made for one kind of row fits no other kind."""
        macs = Macs(SECRET)
        made = {purpose: macs.make(purpose, *FIELDS) for purpose in Purpose}
        fitting = {(one, two) for one in Purpose for two in Purpose if macs.fits(made[one], two, *FIELDS)}
        assert fitting == {(purpose, purpose) for purpose in Purpose}

    def test_any_other_field(self) -> None:
        """One field changed, left out, added or exchanged, and the code fits no more."""
        macs = Macs(SECRET)
        mac = macs.make(Purpose.ROLE, *FIELDS)
        changed = [
            (UUID(int=6), *FIELDS[1:]),
            (*FIELDS[:4], MOMENT + timedelta(microseconds=1), True),
            (*FIELDS[:5], False),
            FIELDS[:-1],
            (*FIELDS, None),
            FIELDS[::-1],
        ]
        assert not any(macs.fits(mac, Purpose.ROLE, *fields) for fields in changed)

    def test_look_alikes(self) -> None:
        """Values that print alike, and fields that run together alike, have different codes."""
        macs = Macs(SECRET)
        alike = [
            ("1",),
            (1,),
            (True,),
            (None,),
            ("None",),
            ("",),
            (),
            ("a", "b"),
            ("ab",),
            ("ab", ""),
            ("", "ab"),
            (0,),
            (False,),
        ]
        codes = [macs.make(Purpose.ROLE, *fields) for fields in alike]
        assert all(one != two for one, two in combinations(codes, 2))
        # Also where one of them was asked for before: 1 equals True.
        for code, fields in zip(codes, alike, strict=True):
            assert sum(macs.fits(code, Purpose.ROLE, *one) for one in alike) == 1
            assert macs.fits(code, Purpose.ROLE, *fields)

    def test_an_empty_or_cut_code(self) -> None:
        """A code has 32 bytes."""
        macs = Macs(SECRET)
        mac = macs.make(Purpose.ROLE, *FIELDS)
        assert not any(macs.fits(part, Purpose.ROLE, *FIELDS) for part in (b"", mac[:31], mac + b"\0"))


class TestAccepts:
    """What this backend wrote."""

    def test_its_own(self) -> None:
        """The same fields give the same code, also when a moment was read back in another zone."""
        macs = Macs(SECRET)
        mac = macs.make(Purpose.ROLE, *FIELDS)
        elsewhere = MOMENT.astimezone(datetime.now().astimezone().tzinfo)
        assert macs.fits(mac, Purpose.ROLE, *FIELDS[:4], elsewhere, FIELDS[5])

    def test_those_of_the_secret_before(self) -> None:
        """During a rotation rows of the previous secret count, and new ones are made with the present one."""
        rotated = Macs(OTHER, previous=SECRET)
        assert rotated.fits(Macs(SECRET).make(Purpose.ROLE, *FIELDS), Purpose.ROLE, *FIELDS)
        assert rotated.make(Purpose.ROLE, *FIELDS) == Macs(OTHER).make(Purpose.ROLE, *FIELDS)
