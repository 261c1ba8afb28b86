"""The Action as a step of a workflow: inputs and outputs, files, names, and the Python that it finds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from keyway_cli.ci.refused import refused

from tests.action.conftest import Workshop
from tests.action.runner import ROOT, Runner
from tests.oracle import canaries, keys
from tests.standins.web import Asked, serving

Start = Callable[..., Runner]
START = ROOT / "cli" / "keyway_cli" / "ci" / "start.sh"


def told(machine: Runner, level: str) -> str:
    """The annotations of a level."""
    return "\n".join(one.message for one in machine.log.annotations if one.level == level)


class TestWhatTheNextStepFinds:
    """The ways in which values are handed over."""

    def test_variables_by_default(self, workshop: Workshop, start: Start) -> None:
        """By the run's own identity, nothing stored; read as an Action in the vault's own records."""
        machine = start()
        done = machine.use_action(api_url=workshop.api_url, environment="development")
        assert done.outcome == "success", machine.log.text
        assert done.outputs == {"secrets-count": "1", "environment": "development", "secrets": ""}
        assert machine.environment == workshop.home.values("development")
        machine.run('echo "$KEPT"')
        assert machine.log.lines[-1] == "***"
        assert "1 secret of development of" in machine.log.text
        assert not list(machine.workspace.iterdir())

    def test_an_output_when_it_is_asked_for_and_nothing_else(self, workshop: Workshop, start: Start) -> None:
        """One secret by its name, in an expression; no variable."""
        machine = start()
        machine.use_action(
            api_url=workshop.api_url, environment="development", export_env="false", export_outputs="true"
        )
        assert machine.environment == {}
        machine.run('printf %s "$ONE" > one', ONE="${{ fromJSON(steps.keyway.outputs.secrets).KEPT }}")
        kept = workshop.home.values("development")["KEPT"]
        assert (machine.workspace / "one").read_text() == kept
        assert kept not in machine.log.text

    def test_a_stored_token_works_and_asks_github_nothing(self, workshop: Workshop, start: Start) -> None:
        """The mode of the public Action, with an API key that only reads."""
        key = keys.give(workshop.home.stack, workshop.home.token, vaults=[workshop.home.vault_id]).token
        machine = start(id_token=False, secrets={"KEYWAY_TOKEN": key})
        done = machine.use_action(
            api_url=f"{workshop.api_url}/", environment="development", token="${{ secrets.KEYWAY_TOKEN }}"
        )
        assert (done.outcome, done.outputs["secrets-count"]) == ("success", "1")
        assert list(canaries.hits(machine.log.text.encode(), [key])) == []

    def test_a_token_that_is_no_secret_of_github_is_masked_by_us(self, workshop: Workshop, start: Start) -> None:
        """The runner shows the variables of a step before it runs; from then on it is hidden."""
        machine = start(id_token=False)
        token = f"kw_live_{canaries.new()}"
        machine.use_action(api_url=workshop.api_url, environment="development", token=token)
        assert token in machine.log.masks
        assert machine.log.text.count(token) == 1

    def test_the_server_from_a_variable_of_the_job(self, workshop: Workshop, start: Start) -> None:
        """Instead of the input."""
        machine = start()
        machine.environment["KEYWAY_API_URL"] = workshop.api_url
        assert machine.use_action(environment="development").outcome == "success"

    def test_tokens_of_the_run_are_masked(self, workshop: Workshop, start: Start) -> None:
        """GitHub's request token, its token for the run, ours."""
        machine = start()
        machine.use_action(api_url=workshop.api_url, environment="development")
        assert {one[:3] for one in machine.log.masks} >= {"eyJ", "kwc"}

    def test_masks_can_be_switched_off_and_widened(self, workshop: Workshop, start: Start) -> None:
        """Off is said loudly; `all` hides what is short as well."""
        workshop.replace("staging", {"SHORT": "abc", "FLAG": "true", "LONG": "a-value-that-is-long"})
        machine = start()
        machine.use_action(api_url=workshop.api_url, environment="staging", mask_values="false")
        assert "a-value-that-is-long" not in machine.log.masks
        assert "mask-values is false" in told(machine, "warning")
        machine.use_action(api_url=workshop.api_url, environment="staging")
        assert "not masked, because the values are too short or too common: FLAG, SHORT." in told(machine, "warning")
        assert "abc" not in machine.log.masks
        machine.use_action(api_url=workshop.api_url, environment="staging", mask_values="all")
        assert {"abc", "true", "a-value-that-is-long"} <= set(machine.log.masks)


class TestTheFile:
    """env-file."""

    def test_it_replaces_what_was_there_and_is_private(self, workshop: Workshop, start: Start) -> None:
        """Whole, in a folder of the workspace, for one user."""
        machine = start()
        path = machine.workspace / "app" / ".env"
        path.parent.mkdir()
        path.write_text("OLD=1\n" * 1_000)
        path.chmod(0o644)
        machine.use_action(api_url=workshop.api_url, environment="development", env_file="app/.env", export_env="false")
        assert path.read_text() == f"KEPT={workshop.home.values('development')['KEPT']}\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert [one.name for one in path.parent.iterdir()] == [".env"]

    @pytest.mark.parametrize("named", ["../out", "/tmp/out", ".git/config", "link/out", "file-link", ".", "none/out"])  # noqa: S108
    def test_it_stays_in_the_workspace(self, start: Start, named: str) -> None:
        """Refused before any server is asked, however it would lead out."""
        machine = start(id_token=False)
        (machine.workspace / ".git").mkdir()
        (machine.workspace / "link").symlink_to(machine.home)
        (machine.workspace / "file-link").symlink_to(machine.home / "out")
        done = machine.use_action(api_url="http://127.0.0.1:9", environment="development", env_file=named)
        assert (done.outcome, done.code) == ("failure", 2)
        assert "the input env-file" in told(machine, "error")
        assert not (machine.home / "out").exists()

    def test_outside_when_it_is_asked_for(self, workshop: Workshop, start: Start) -> None:
        """RUNNER_TEMP, say."""
        machine = start()
        done = machine.use_action(
            api_url=workshop.api_url, environment="development", env_file=str(machine.home / "out"),
            env_file_outside_workspace="true",
        )  # fmt: skip
        assert done.outcome == "success"
        assert (machine.home / "out").stat().st_mode & 0o777 == 0o600


def answering(secrets: dict[str, str]) -> Callable[[Asked], tuple[int, Any]]:
    """A server that sends what no server of ours would store."""
    revision = {"number": 1, "id": "0193b7c2-0000-7000-8000-000000000000"}
    return lambda _: (200, {"data": {"secrets": secrets, "revision": revision}})


class TestNames:
    """What no step gets."""

    DANGEROUS = (
        "PATH", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "NODE_OPTIONS", "BASH_ENV", "ENV", "BASH_FUNC_ls", "IFS", "PS4",
        "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND",
        "GIT_CONFIG_COUNT", "GITHUB_TOKEN", "GITHUB_ENV", "RUNNER_TEMP", "ACTIONS_ID_TOKEN_REQUEST_URL", "INPUT_TOKEN",
        "HOME", "HTTPS_PROXY",
        "https_proxy", "SSL_CERT_FILE", "KEYWAY_API_URL", "KEYWAY_TOKEN", "CI", "path", "SHELL", "MAKEFLAGS", "CC",
        "DOTNET_STARTUP_HOOKS", "npm_config_node_options", "OPENSSL_CONF", "XDG_CONFIG_HOME",
    )  # fmt: skip

    def test_each_of_them_has_a_reason(self) -> None:
        """From the data file; ordinary names have none."""
        against = refused([*self.DANGEROUS, "A-B", "X\nPATH"])
        assert sorted(name for names in against.values() for name in names) == sorted(
            [*self.DANGEROUS, "A-B", "X\nPATH"]
        )
        ordinary = ["DATABASE_URL", "PATHS", "CI_TOKEN", "NPM_TOKEN", "AWS_SECRET_ACCESS_KEY", "GITLAB_TOKEN", "LDAP"]
        assert refused(ordinary) == {}

    def test_they_are_left_out_masked_and_named(self, start: Start) -> None:
        """Even when a server sends them: no variable, no file, no output; the log says which and why."""
        values = {name: canaries.new() for name in (*self.DANGEROUS, "FINE")}
        machine = start(id_token=False)
        with serving(answering(values)) as server:
            done = machine.use_action(
                api_url=server.url, environment="x", token="a-token", env_file=".env", export_outputs="true"
            )
        assert done.outcome == "success", machine.log.text
        assert machine.environment == {"FINE": values["FINE"]}
        assert json.loads(done.outputs["secrets"]) == {"FINE": values["FINE"]}
        assert (machine.workspace / ".env").read_text() == f"FINE={values['FINE']}\n"
        assert set(values.values()) <= set(machine.log.masks)
        warned = told(machine, "warning")
        assert [name for name in self.DANGEROUS if name not in warned] == []
        assert "load code into every program" in warned

    def test_a_name_that_is_none_breaks_nothing(self, start: Start) -> None:
        """A line end in it, a delimiter, an order to the runner."""
        names = ["A\nPATH", "A<<EOF", "::error::x", "", "A=B", "é", "1A"]
        machine = start(id_token=False)
        with serving(answering({name: canaries.new() for name in names} | {"FINE": "a-fine-value"})) as server:
            assert machine.use_action(api_url=server.url, environment="x", token="a-token").outcome == "success"
        assert machine.environment == {"FINE": "a-fine-value"}
        assert told(machine, "error") == ""

    def test_a_value_that_no_variable_holds_hands_over_nothing(self, start: Start) -> None:
        """NUL: named, not shown."""
        secret = canaries.new()
        machine = start(id_token=False)
        with serving(answering({"ODD": f"{secret}\0x", "FINE": "a-fine-value"})) as server:
            done = machine.use_action(api_url=server.url, environment="x", token="a-token")
        assert (done.outcome, machine.environment) == ("failure", {})
        assert "ODD" in told(machine, "error")
        assert secret not in machine.log.text

    def test_delimiters_are_never_the_same(self, workshop: Workshop, start: Start) -> None:
        """Nobody who writes a value knows how it will be told from what follows."""
        machine = start()
        for _ in range(2):
            assert machine.use_action(api_url=workshop.api_url, environment="development").outcome == "success"
        lines = "".join(machine.written).splitlines()
        seen = {line.partition("<<")[2] for line in lines if "<<" in line}
        assert len(seen) == 2 * 3  # a variable and two outputs each time
        assert min(map(len, seen)) > 32


class TestTheMachine:
    """Where it runs."""

    def test_its_own_checkout_is_enough_and_stays_as_it_was(self, workshop: Workshop, tmp_path: Path) -> None:
        """action.yml, cli and core, without anything installed; no file is written there."""
        checkout = tmp_path / "action"
        checkout.mkdir()
        shutil.copy(ROOT / "action.yml", checkout)
        for part in ("cli", "core"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        before = sorted(checkout.rglob("*"))
        machine = Runner(tmp_path / "machine", workshop.job(), action=checkout)
        done = machine.use_action(api_url=workshop.api_url, environment="development", env_file=".env")
        assert done.outcome == "success", machine.log.text
        assert sorted(checkout.rglob("*")) == before

    def test_what_lies_in_the_workspace_is_not_run(self, workshop: Workshop, start: Start) -> None:
        """Nor what PYTHON* variables of earlier steps name."""
        machine = start()
        for name in ("json.py", "keyway_cli.py", "sitecustomize.py", "ssl.py"):
            (machine.workspace / name).write_text("open('RUN', 'w'); raise SystemExit('stranger')\n")
        machine.environment |= {"PYTHONPATH": str(machine.workspace), "PYTHONSTARTUP": "json.py", "PYTHONHOME": "/none"}
        assert machine.use_action(api_url=workshop.api_url, environment="development").outcome == "success"
        assert not (machine.workspace / "RUN").exists()

    def test_more_than_the_system_hands_over(self, tmp_path: Path) -> None:
        """The next step would not start: names and sizes are told, nothing is exported."""
        secret = canaries.new()
        environment = {
            "PATH": os.environ["PATH"],
            **{f"KEYWAY_ACTION_{name}": value for name, value in {"ENVIRONMENT": "x", "TOKEN": "a-token"}.items()},
            "KEYWAY_ACTION_EXPORT_ENV": "true",
            "GITHUB_REPOSITORY": "acme/app",
            "GITHUB_ENV": str(tmp_path / "env"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
        }
        with serving(answering({f"BIG_{n}": (secret * 1_500)[: 60_000 + n] for n in range(4)})) as server:
            done = subprocess.run(
                ["bash", "-c", f"ulimit -Ss 1024; exec bash {START}"],
                env=environment | {"KEYWAY_ACTION_API_URL": server.url},
                capture_output=True,
                check=False,
            )
        error = done.stdout.decode().splitlines()[-1]
        assert done.returncode == 1, error
        assert error.startswith("::error title=Keyway::the variables would take 24")
        assert "BIG_3 (600" in error
        assert "env-file" in error
        assert secret not in error
        assert not (tmp_path / "env").exists()

    @pytest.mark.parametrize(
        ("there", "chosen"),
        [
            ({"python3": (3, 12)}, "python3"),
            ({"python3": (3, 10), "python3.11": (3, 11)}, "python3.11"),
            ({"python3": (3, 9), "python3.13": (3, 13)}, "python3.13"),
            ({"python3": (3, 10), "tools/Python/3.12.7/x64/bin/python3": (3, 12)}, "3.12.7"),
            ({"python3": (3, 9), "tools/Python/3.9.20/x64/bin/python3": (3, 9)}, ""),
            ({}, ""),
        ],
    )
    def test_it_finds_a_python_that_is_new_enough(
        self, tmp_path: Path, there: dict[str, tuple[int, int]], chosen: str
    ) -> None:
        """In PATH, under a number, in the tool cache; else it says what to do."""
        for name, (major, minor) in there.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                f'#!/bin/sh\ncase "$*" in *-c*) exit {int((major, minor) < (3, 11))};; esac\necho "$0 $*"\n'
            )
            path.chmod(0o755)
        for tool in ("bash", "dirname", "sh"):
            (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
        script = START.read_text().replace("/opt/homebrew/bin/python3 /usr/local/bin/python3", "")
        (tmp_path / "start.sh").write_text(script)
        done = subprocess.run(
            [str(tmp_path / "bash"), str(tmp_path / "start.sh")],
            env={"PATH": str(tmp_path), "RUNNER_TOOL_CACHE": str(tmp_path / "tools")},
            capture_output=True,
            text=True,
            check=False,
        )
        if chosen:
            assert (done.returncode, chosen in done.stdout, "-I -S -B" in done.stdout) == (0, True, True), done
        else:
            assert done.returncode == 78
            assert "actions/setup-python" in done.stdout


class TestActionFile:
    """action.yml against contract.md 13 and the Action's own reading."""

    def test_the_inputs_and_outputs_of_the_public_action(self) -> None:
        """All of them, production nowhere."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        public = {"token", "environment", "repository", "export-env", "env-file", "mask-values", "api-url"}
        assert public <= action["inputs"].keys()
        assert {"secrets-count", "environment"} <= action["outputs"].keys()
        assert action["inputs"]["environment"]["default"] == "cicd"
        assert not any("production" in str(about.get("default", "")) for about in action["inputs"].values())
        assert not any(about.get("required") for about in action["inputs"].values())

    def test_every_input_reaches_the_program(self) -> None:
        """By a variable that carries its name; no input is part of a script."""
        action = yaml.safe_load((ROOT / "action.yml").read_text())
        [step] = action["runs"]["steps"]
        wanted = {
            f"KEYWAY_ACTION_{name.upper().replace('-', '_')}": f"${{{{ inputs.{name} }}}}" for name in action["inputs"]
        }
        assert step["env"] == wanted
        assert "${{" not in step["run"]
