"""Shapes of the wire (contract.md 6.1)."""

from __future__ import annotations

from pydantic import BaseModel


class Received(BaseModel):
    """The delivery was taken; not in an envelope."""

    received: bool
