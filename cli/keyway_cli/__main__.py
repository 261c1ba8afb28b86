"""The entry point: --version is answered before anything is loaded, and errors become exit codes here alone."""

from __future__ import annotations

import os
import sys

from keyway_cli import __version__

TYPE_CHECKING = False  # what `typing` says too; loading it would take as long as the rest of --version
if TYPE_CHECKING:
    import click

    from keyway_cli.errors import KeywayError


def main() -> int:
    """Runs the command line and gives its exit code (docs/cli.md)."""
    arguments = sys.argv[1:]
    try:
        if arguments in (["--version"], ["-V"]):
            print(f"keyway {__version__}", flush=True)
            return 0
        code = _run(arguments)
        sys.stdout.flush()
    except OSError as error:
        return _unwritable(error)
    return code


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
        _object_for(error, arguments)
        return ExitCode.USAGE
    except OSError as error:
        if _is_of_output(error):
            raise
        return _report(unforeseen(error), arguments)
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


def _is_of_output(error: OSError) -> bool:
    """Whether our output has nowhere to go: a full disk, or nobody reads it. Files of ours have errors of their own."""
    import errno

    kinds = ("EPIPE", "ENOSPC", "EDQUOT", "EFBIG", "EIO", "EBADF")
    return error.filename is None and errno.errorcode.get(error.errno or 0) in kinds


def _unwritable(error: OSError) -> int:
    """Says so, unless whoever read us has simply gone. What is not written yet is dropped: Python would try again."""
    from keyway_cli.errors import ExitCode, KeywayError
    from keyway_cli.files import reason

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not isinstance(error, BrokenPipeError):
        _report(KeywayError(f"the output cannot be written: {reason(error)}"), [])
    return ExitCode.ERROR


def _report(error: KeywayError, arguments: list[str]) -> int:
    from keyway_cli.terminal import Terminal

    Terminal(as_json=_wants_object(arguments)).error(error)
    return int(error.exit_code)


def _object_for(error: click.ClickException, arguments: list[str]) -> None:
    """With --json also a command line that is wrong is an object on stdout."""
    if _wants_object(arguments):
        import json

        failure = {"exitCode": 2, "message": error.format_message(), "hint": "--help of the command shows its options"}
        print(json.dumps({"error": failure}), flush=True)


def _wants_object(arguments: list[str]) -> bool:
    return "--json" in (arguments[: arguments.index("--")] if "--" in arguments else arguments)


if __name__ == "__main__":
    sys.exit(main())
