"""Plaintext has one type, and that type has one exit."""

from __future__ import annotations

from typing import Final, NoReturn, final

MASK: Final = "********"


@final
class Sensitive:
    """A secret value of UTF-8 text.

    It cannot be compared, hashed, pickled or formatted: every way to look at it by accident gives a mask or an error.
    The single exit is `reveal`, so that a search for `.reveal(` lists every place that sees plaintext.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The plaintext itself. The caller answers for where it goes."""
        return self.__value

    def __repr__(self) -> str:
        return f"Sensitive({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("Sensitive values are not compared")

    def __hash__(self) -> NoReturn:
        raise TypeError("Sensitive values are not hashed")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("Sensitive values are not pickled or copied")
