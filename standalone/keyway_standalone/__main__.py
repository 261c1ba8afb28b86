"""`keyway-standalone`: the whole of Keyway on one machine, without Docker and without a GitHub App."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from keyway_core.dotenv import DotenvError, decode, parse
from rich.console import Console

from .accounts import account_of
from .ports import PORTS
from .process import ProcessError
from .processes import Stack
from .supervisor import real_github, run

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_ELSEWHERE: Final = Path("/var/lib/keyway")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and exits with the command's code."""
    given = _parser().parse_args(arguments)
    try:
        sys.exit(given.act(given))
    except ProcessError as error:
        print(f"keyway-standalone: {error}", file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="keyway-standalone", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start everything and leave it running in this terminal")
    up.set_defaults(act=_up)
    up.add_argument("--state", type=Path, help="folder that keeps database, keys and certificates (.keyway)")
    known = ", ".join(f"{name} ({port})" for name, port in PORTS.items())
    up.add_argument(
        "--port", action="append", default=[], type=_port, metavar="SERVER=N", help=f"another port: {known}"
    )
    up.add_argument("--seed", type=int, default=1, help="which people and repositories the GitHub stand-in has")
    up.add_argument("--reload", action="store_true", help="restart the backend when its code changes")
    demo = commands.add_parser("demo", help="show the main job on real processes, then stop")
    demo.set_defaults(act=_demo)
    demo.add_argument("--seed", type=int, default=1, help="another seed shows other people and repositories")
    return parser


def _up(given: argparse.Namespace) -> int:
    stack = Stack(
        given.state or _default_state(),
        seed=given.seed,
        test_controls=False,
        with_dashboard=True,
        ports=PORTS | dict(given.port),
        real_github=real_github(_configured()),
    )
    return run(stack, Console(soft_wrap=True), reload_from=_REPOSITORY if given.reload else None)


def _demo(given: argparse.Namespace) -> int:
    from .demo import demo  # noqa: PLC0415 - `up` starts without it

    return demo(given.seed, Console(soft_wrap=True))


def _port(text: str) -> tuple[str, int]:
    server, _, number = text.partition("=")
    if server not in PORTS or not number.isdecimal() or not 0 < int(number) < 65_536:
        raise argparse.ArgumentTypeError(f"not SERVER=N, with SERVER one of {', '.join(PORTS)}")
    return server, int(number)


def _configured() -> dict[str, str]:
    """Variables of .env in the repository, under those of the environment."""
    file = _REPOSITORY / ".env"
    try:
        kept = parse(decode(file.read_bytes())) if file.exists() else {}
    except DotenvError as error:
        raise ProcessError(f"{file}:{error.line}: {error.reason}") from None
    return {key: value.reveal() for key, value in kept.items()} | dict(os.environ)


def _default_state() -> Path:
    """.keyway in the repository, unless that lies where the users of our processes may not go."""
    near = _REPOSITORY / ".keyway"
    return near if account_of("postgres").can_enter(near / "postgres") else _ELSEWHERE


if __name__ == "__main__":
    main()
