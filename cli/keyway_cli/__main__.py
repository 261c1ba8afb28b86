"""The entry point: --version is answered before anything is loaded, and errors become exit codes here alone."""

from __future__ import annotations

import os
import sys

from keyway_cli import __version__

TYPE_CHECKING = False  # what `typing` says too; loading it would take as long as the rest of --version
if TYPE_CHECKING:
    from keyway_cli.errors import KeywayError


def main() -> int:
    """Runs the command line and gives its exit code (docs/cli.md)."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        print(f"keyway {__version__}")
        return 0
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    import click

    from keyway_cli.errors import ExitCode, KeywayError, unforeseen
    from keyway_cli.program import keyway

    try:
        wanted = arguments or _asked()
        return (keyway.main(wanted, prog_name="keyway", standalone_mode=False) if wanted else 0) or 0
    except KeywayError as error:
        return _report(error, arguments)
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except (click.Abort, KeyboardInterrupt):
        print("keyway: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001  # house: broad-except a traceback may quote the value that it fell over
        return _report(unforeseen(error), arguments)


def _asked() -> list[str]:
    """What a person at a terminal picks from a menu, or nothing; --help elsewhere, and for a shell that completes."""
    if "_KEYWAY_COMPLETE" in os.environ:
        from keyway_cli.actions.completion import register

        register()
        return ["--help"]
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        return ["--help"]
    from keyway_cli.actions.menu import choose
    from keyway_cli.commands.options import plain_context

    context = plain_context()
    return list(choose(context)) if context.terminal.interactive else ["--help"]


def _report(error: KeywayError, arguments: list[str]) -> int:
    from keyway_cli.terminal import Terminal

    before_program = arguments[: arguments.index("--")] if "--" in arguments else arguments
    Terminal(as_json="--json" in before_program).error(error)
    return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
