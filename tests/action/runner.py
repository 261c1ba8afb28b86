"""GitHub's runner, as far as a step can see it: inputs, expressions, environment files, masks, outputs, a job's log.

It reads `action.yml` and workflows as they are, and runs their scripts with bash. The order in which the two streams of
a process reach the log is the worst one: all of stderr before the first word of stdout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests.action.expressions import condition, inserted
from tests.action.joblog import JobLog

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_STATE")
_NOT_BY_FILE: Final = ("NODE_OPTIONS",)
# Actions of others that our pages name: what they do is not what is tested.
_OTHERS: Final = ("actions/checkout@", "actions/setup-python@")


class FileCommandError(Exception):
    """A step wrote what the runner does not take."""


@dataclass
class Job:
    """What GitHub tells the runner about a job."""

    repository: str
    event: str = "push"
    ref: str = "refs/heads/main"
    secrets: Mapping[str, str] = field(default_factory=dict)
    vars: Mapping[str, str] = field(default_factory=dict)
    id_token: Callable[[], tuple[str, str]] | None = None
    """Where a job with `id-token: write` asks for tokens, and by what; None for one that may not."""


@dataclass
class Step:
    """How a step ended."""

    outcome: str
    outputs: dict[str, str]
    code: int = 0


class Runner:
    """One job on one machine."""

    def __init__(self, folder: Path, job: Job, *, action: Path = ROOT) -> None:
        self.log = JobLog()
        self.environment: dict[str, str] = {}
        self.paths: list[str] = []
        self.summary = ""
        self.written: list[str] = []
        self.steps: dict[str, Step] = {}
        self.status = "success"
        self._job = job
        self._action = action
        self._may_have_tokens = True
        self.workspace, self.temp = folder / "work", folder / "temp"
        self.home = folder / "home"
        for place in (self.workspace, self.temp, self.home):
            place.mkdir(parents=True, exist_ok=True)
        for secret in job.secrets.values():
            self.log.add_secret(secret)

    def run_workflow(self, text: str) -> None:
        """Every step of the first job of a workflow."""
        workflow = yaml.safe_load(text)
        job = next(iter(workflow["jobs"].values()))
        permissions = job.get("permissions", workflow.get("permissions"))
        self._may_have_tokens = permissions == "write-all" or (
            isinstance(permissions, dict) and permissions.get("id-token") == "write"
        )
        for place in (workflow, job):
            values = {name: inserted(str(value), self.contexts()) for name, value in place.get("env", {}).items()}
            self.environment |= values
        for step in job["steps"]:
            self.run_step(step)

    def use_action(self, step_id: str = "keyway", **inputs: str) -> Step:
        """A step `uses:` of ours; `_` stands for `-` in the names of inputs."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.run_step({"id": step_id, "uses": "./", "with": given})

    def run(self, script: str, **environment: str) -> Step:
        """A step `run:`."""
        return self.run_step({"run": script, "env": environment})

    def run_step(self, step: Mapping[str, Any]) -> Step:
        """One step of a job, if its condition holds."""
        if not condition(str(step.get("if", "success()")), self.contexts()):
            return Step("skipped", {})
        done = self._used(step) if "uses" in step else self._ran(step, self.contexts(), {})
        if done.outcome == "failure" and not step.get("continue-on-error"):
            self.status = "failure"
        if "id" in step:
            self.steps[step["id"]] = done
        return done

    def contexts(self) -> dict[str, Any]:
        """What expressions see."""
        return {
            "github": {
                "repository": self._job.repository,
                "event_name": self._job.event,
                "ref": self._job.ref,
                "ref_name": self._job.ref.split("/", 2)[-1],
            },
            "secrets": dict(self._job.secrets),
            "vars": dict(self._job.vars),
            "env": dict(self.environment),
            "runner": {"os": "Linux", "temp": str(self.temp)},
            "job": {"status": self.status},
            "steps": {name: {"outputs": step.outputs, "outcome": step.outcome} for name, step in self.steps.items()},
        }

    def _used(self, step: Mapping[str, Any]) -> Step:
        if str(step["uses"]).startswith(_OTHERS):
            return Step("success", {})
        action = yaml.safe_load((self._action / "action.yml").read_text(encoding="utf-8"))
        contexts = self.contexts()
        given = {name: inserted(_plain(value), contexts) for name, value in step.get("with", {}).items()}
        if strange := sorted(given.keys() - action["inputs"].keys()):
            self.log.write(f"##[warning]Unexpected input(s) {strange}, valid inputs are {sorted(action['inputs'])}")
        inputs = {
            name: given.get(name, inserted(_plain(about.get("default", "")), contexts))
            for name, about in action["inputs"].items()
        }
        variables = {name: inserted(_plain(value), contexts) for name, value in step.get("env", {}).items()}
        return self._composite(action, inputs, variables)

    def _composite(self, action: Any, inputs: Mapping[str, str], variables: Mapping[str, str]) -> Step:
        """The steps of an action. Their outputs are seen outside only as far as the action declares them."""
        assert action["runs"]["using"] == "composite"
        outer, self.steps = self.steps, {}
        done = Step("success", {})
        try:
            for inner in action["runs"]["steps"]:
                assert "shell" in inner, "a step of a composite action has to name its shell"
                done = self._ran(inner, self.contexts() | {"inputs": inputs}, variables)
                if "id" in inner:
                    self.steps[inner["id"]] = done
                if done.outcome == "failure":
                    break
            outputs = {
                name: inserted(about["value"], self.contexts()) for name, about in action.get("outputs", {}).items()
            }
        finally:
            self.steps = outer
        return Step(done.outcome, outputs, done.code)

    def _ran(self, step: Mapping[str, Any], contexts: Mapping[str, Any], variables: Mapping[str, str]) -> Step:
        """A script, with the files of a step."""
        script = inserted(step["run"], contexts)
        own = {name: inserted(_plain(value), contexts) for name, value in step.get("env", {}).items()}
        shown = {**self.environment, **variables, **own}
        self._announce(script, shown)
        files = {name: self.temp / f"{name.lower()}_{os.urandom(8).hex()}" for name in FILES}
        for path in files.values():
            path.touch()
        folder = self.workspace / inserted(step.get("working-directory", "."), contexts)
        code = self._started(script, folder, {**self._given(), **shown, **{n: str(p) for n, p in files.items()}})
        try:
            outputs = self._taken(files)
        except FileCommandError as error:
            self.log.write(f"##[error]{error}")
            return Step("failure", {}, code)
        return Step("failure" if code else "success", outputs, code)

    def _announce(self, script: str, shown: Mapping[str, str]) -> None:
        """The head of a step in the log: the script and every variable, as the real one prints them."""
        self.log.begin_step()
        self.log.write(f"##[group]Run {script.splitlines()[0] if script else ''}")
        self.log.write(script)
        self.log.write("shell: /usr/bin/bash --noprofile --norc -e -o pipefail {0}")
        if shown:
            self.log.write("env:")
        for name, value in shown.items():
            self.log.write(f"  {name}: {value}")
        self.log.write("##[endgroup]")

    def _started(self, script: str, folder: Path, environment: Mapping[str, str]) -> int:
        """Runs bash and reads both streams, stderr first."""
        path = self.temp / f"{os.urandom(8).hex()}.sh"
        path.write_text(script, encoding="utf-8")
        command = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(path)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=dict(environment), capture_output=True, stdin=subprocess.DEVNULL, check=False,
                timeout=180,
            )  # fmt: skip
        except OSError as error:  # more variables than the system hands over
            self.log.write(f"##[error]An error occurred trying to start process: {error.strerror}")
            return 1
        finally:
            path.unlink()
        for stream in (done.stderr, done.stdout):
            for line in stream.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]:
                self.log.read(line)
        if done.returncode:
            self.log.write(f"##[error]Process completed with exit code {done.returncode}.")
        return done.returncode

    def _given(self) -> dict[str, str]:
        """The variables of the runner, which no step can change."""
        search = [*reversed(self.paths), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
        given = {
            "PATH": os.pathsep.join(search),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self._action),
            "GITHUB_REPOSITORY": self._job.repository,
            "GITHUB_EVENT_NAME": self._job.event,
            "GITHUB_REF": self._job.ref,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(self.temp),
            "RUNNER_TOOL_CACHE": str(self.temp / "tools"),
        }
        if self._job.id_token is not None and self._may_have_tokens:
            url, token = self._job.id_token()
            given |= {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token}
        return given

    def _taken(self, files: Mapping[str, Path]) -> dict[str, str]:
        """What a step wrote into its files; they are gone afterwards. Raises FileCommandError."""
        try:
            texts = {name: path.read_bytes().decode() for name, path in files.items()}
            self.written += [texts["GITHUB_ENV"], texts["GITHUB_OUTPUT"]]
            added, outputs = pairs(texts["GITHUB_ENV"]), pairs(texts["GITHUB_OUTPUT"])
        finally:
            for path in files.values():
                path.unlink(missing_ok=True)
        if blocked := [name for name in added if name.upper() in _NOT_BY_FILE]:
            raise FileCommandError(f"Can't store {blocked} output parameter using '$GITHUB_ENV' command.")
        self.environment |= added
        self.paths += [line for line in texts["GITHUB_PATH"].splitlines() if line]
        self.summary += "\n".join(map(self.log.masked, texts["GITHUB_STEP_SUMMARY"].split("\n")))
        return outputs


def pairs(text: str) -> dict[str, str]:
    """The content of GITHUB_ENV or GITHUB_OUTPUT. Raises FileCommandError for what the runner refuses."""
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        line, place = _line(text, place)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line.split("<<", 1)
            if not name or not delimiter:
                raise FileCommandError("Invalid format. Name and delimiter must not be empty")
            found[name], place = _until(delimiter, text, place)
        elif equals > 0:
            found[line[:equals]] = line[equals + 1 :]
        else:
            raise FileCommandError("Invalid format")
    return found


def _until(delimiter: str, text: str, start: int) -> tuple[str, int]:
    """The text before a line that is the delimiter, without its last line end, and where the next line begins."""
    place = start
    while place < len(text):
        begin = place
        line, place = _line(text, place)
        if line == delimiter:
            return text[start : max(begin - 1, start)], place
    raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")


def _line(text: str, place: int) -> tuple[str, int]:
    """One line (only a line feed ends it) and where the next one begins."""
    end = text.find("\n", place)
    return (text[place:], len(text)) if end < 0 else (text[place:end], end + 1)


def _plain(value: Any) -> str:
    """A scalar of YAML as text."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
