"""The Action from its inputs to its outputs. Values are masked before anything else is done with them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping

from keyway_core import dotenv
from keyway_core.names import unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli.ci import inputs as workflow
from keyway_cli.ci.advice import advised
from keyway_cli.ci.inputs import Inputs, Masking
from keyway_cli.ci.masks import masks, unmasked
from keyway_cli.ci.proof import from_github, signed_in
from keyway_cli.ci.refused import refused
from keyway_cli.ci.runner import Runner
from keyway_cli.errors import KeywayError, unforeseen
from keyway_cli.files import write_private
from keyway_cli.running.starting import refuse_too_long

_FILE_INSTEAD = "turn export-env off and name an env-file, which has no such limit"


def main() -> int:
    """Runs the Action; its exit code."""
    runner = Runner(os.environ, sys.stdout.buffer)
    try:
        act(os.environ, runner)
    except KeywayError as error:
        runner.fail(error)
        return int(error.exit_code)
    except Exception as error:  # noqa: BLE001  # house: broad-except a traceback may quote the value that it fell over
        bug = unforeseen(error)
        runner.fail(bug)
        return int(bug.exit_code)
    return 0


def act(environ: Mapping[str, str], runner: Runner) -> None:
    """Reads one environment and hands it over. Raises KeywayError; then nothing was handed over."""
    if (stored := workflow.stored_token(environ)) is not None:
        runner.mask(masks({"token": stored.reveal()}, everything=True))
    inputs = workflow.read(environ)
    who = "this run (OIDC)" if inputs.token is None else "the stored token"
    runner.say(f"{inputs.origin.name}, {inputs.place}, on behalf of {who}")
    proof = from_github(inputs, runner) if inputs.token is None else None
    try:
        pulled = signed_in(inputs, runner, proof).pull(inputs.place)
    except KeywayError as error:
        raise advised(error, inputs) from None
    _mask(inputs.masking, runner, pulled.values)
    values = _allowed(runner, pulled.values)
    _check(environ, inputs, values)
    _hand_over(inputs, runner, values)
    number = f", revision {pulled.revision.number}" if pulled.revision else ""
    runner.say(f"{_counted(len(values))} of {inputs.place}{number}: {_where(inputs)}")


def _mask(masking: Masking, runner: Runner, values: Mapping[str, Sensitive]) -> None:
    """Hides the values, those too that are not handed over; says which ones are not hidden."""
    plain = {name: value.reveal() for name, value in values.items()}
    if masking is Masking.NONE:
        runner.warn("mask-values is false: whatever prints a value shows it in the log")
        return
    runner.mask(masks(plain, everything=masking is Masking.ALL))
    if masking is Masking.USUAL and (names := unmasked(plain)):
        runner.warn(
            f"not masked, because the values are too short or too common: {_listed(names)}. "
            "`mask-values: all` masks them too, wherever they stand in the log"
        )


def _allowed(runner: Runner, values: Mapping[str, Sensitive]) -> dict[str, Sensitive]:
    """The values whose names no step has to fear. Raises KeywayError for values that no step could get."""
    against = refused(values)
    for why, names in against.items():
        runner.warn(f"refused, because such names {why}: {_listed(names)}. Rename them in the vault")
    left_out = {name for names in against.values() for name in names}
    kept = {name: value for name, value in values.items() if name not in left_out}
    if odd := [name for name, value in kept.items() if unstorable(value.reveal())]:
        raise KeywayError(f"the server sent what no variable can hold, in {_listed(odd)}", "nothing was handed over")
    return kept


def _check(environ: Mapping[str, str], inputs: Inputs, values: Mapping[str, Sensitive]) -> None:
    """Refuses what would keep every following step from starting: more variables than the system hands over."""
    if not inputs.export_env or os.name == "nt":
        return
    plain = {name: value.reveal() for name, value in values.items()}
    refuse_too_long(plain)
    sizes = {name: len(name) + len(os.fsencode(value)) + 10 for name, value in {**environ, **plain}.items()}
    most = os.sysconf("SC_ARG_MAX") - 65_536  # the steps' own variables and arguments
    if (total := sum(sizes.values())) > most:
        largest = sorted(plain, key=sizes.__getitem__, reverse=True)[:3]
        names = ", ".join(f"{name} ({sizes[name]})" for name in largest)
        raise KeywayError(
            f"the variables would take {total} bytes; a step of this runner gets {most}; the largest: {names}",
            _FILE_INSTEAD,
        )


def _hand_over(inputs: Inputs, runner: Runner, values: Mapping[str, Sensitive]) -> None:
    plain = {name: value.reveal() for name, value in values.items()}
    if inputs.env_file is not None:
        write_private(inputs.env_file, dotenv.render(values).encode())
    if inputs.export_env:
        runner.export(plain)
    outputs = {"secrets-count": str(len(values)), "environment": inputs.place.environment}
    if inputs.export_outputs:
        outputs["secrets"] = json.dumps(plain, ensure_ascii=False)
    runner.output(outputs)


def _where(inputs: Inputs) -> str:
    """Where the values are now."""
    places = ["in the environment of the following steps"] if inputs.export_env else []
    places += [f"in {inputs.env_file}"] if inputs.env_file is not None else []
    places += ["in the output secrets"] if inputs.export_outputs else []
    return ", ".join(places) or "masked, and handed to nobody (export-env is false, env-file is empty)"


def _counted(count: int) -> str:
    return f"{count} secret{'' if count == 1 else 's'}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
