"""A hostile assistant over the real server, against the real installation: it never learns a piece of a value."""

from __future__ import annotations

import asyncio

import pytest
from assistant import Assistant, assistant
from beside import Beside
from hostile import COUNT, Call, calls, canaries, encodings, leaks
from keyway_core import dotenv
from keyway_core.sensitive import Sensitive
from keyway_standalone.processes import Stack
from oracle.report import Record
from person import Person
from stack import sign_in


def fill(owner: Person, environment: str, values: dict[str, str]) -> None:
    """Pushes values from a file that is gone afterwards."""
    path = owner.write(dotenv.render({key: Sensitive(value) for key, value in values.items()}), ".env.fill")
    done = owner.keyway("push", "-e", environment, "-f", str(path), "--yes")
    assert done.code == 0, done.err
    path.unlink()


async def attack(owner: Person, token: str, beside: Beside, script: list[Call]) -> Assistant:
    """Calls one after another, by an assistant whose person allows every program and refuses all else."""
    owner.variables["KEYWAY_TOKEN"] = token
    async with assistant(owner, beside, cold=True) as hostile:
        for tool, arguments in script:
            await hostile.call(tool, **arguments)
    return hostile


async def attack_twice(owner: Person, tokens: list[str], beside: Beside, script: list[Call]) -> list[Assistant]:
    """Half of the calls with each sign-in, because each has a limit of its own; both at once."""
    beside.answers("no", programs="yes")
    half = len(script) // 2
    return await asyncio.gather(
        attack(owner, tokens[0], beside, script[:half]), attack(owner, tokens[1], beside, script[half:])
    )


@pytest.mark.timeout(400)
def test_three_hundred_hostile_calls_learn_nothing(
    stack: Stack, owner: Person, beside: Beside, record_property: Record
) -> None:
    """0 of 200 canaries in 8 encodings, and no 4 characters of one, in any result; nor of the sign-in itself."""
    values, elsewhere = canaries(1), canaries(2, 24)
    fill(owner, "development", values)
    fill(owner, "staging", elsewhere)
    script = list(calls(list(values)))
    tokens = [owner.variables["KEYWAY_TOKEN"], sign_in(stack, stack.control.login("outsider"))]
    first, second = asyncio.run(attack_twice(owner, tokens, beside, script))
    transcript = first.transcript + second.transcript
    assert len(values) == COUNT
    assert first.calls + second.calls >= 300
    found = leaks(values | elsewhere, transcript)
    ways = len(encodings(values["CANARY_0"]))
    said = f"{len(found)} of {len(values)} canaries in {ways} encodings or by four characters"
    record_property(
        "hostile assistant", f"{said}, {first.calls + second.calls} calls, {sum(map(len, transcript))} characters"
    )
    assert found == []
    assert ways == 8
    told = "\n".join(transcript)
    assert not any(token in told for token in tokens)
    assert "Too many requests" not in told
    assert told.count('"secretsInjected": 200') >= 110  # the programs did run
    assert "[hidden]" in told
    for address in beside.addresses:
        assert address.rpartition("/")[2] not in told
        assert address not in told
    assert owner.keyway("pull", "-e", "development", "-f", "after.env").code == 0
    assert dotenv.parse(owner.read("after.env"))["CANARY_0"].reveal() == values["CANARY_0"]
