"""No value in the log, and every value where it belongs: the whole hostile corpus through one job."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from keyway_cli.ci.masks import masks, unmasked
from keyway_core import dotenv
from keyway_standalone.processes import Stack
from oracle.report import Record

from tests.action.conftest import Workshop
from tests.action.corpus import Corpus, corpus
from tests.action.joblog import JobLog
from tests.action.printing import KEEPER, PRINTER
from tests.action.runner import ROOT, Runner
from tests.oracle import canaries, stage
from tests.oracle.stage import GitHub

Start = Callable[..., Runner]


@dataclass
class Played:
    """A job that is over: everything handed over in every way, then printed in every form."""

    machine: Runner
    corpus: Corpus


@pytest.fixture(scope="module")
def played(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One job for all of these tests."""
    workshop = Workshop(stage.home(stack, "hostile", keep=False), GitHub(stack))
    everything = corpus()
    workshop.replace("development", everything.values)
    machine = Runner(tmp_path_factory.mktemp("machine"), workshop.job())
    done = machine.use_action(
        api_url=workshop.api_url, environment="development", env_file="deploy.env", export_outputs="true"
    )
    assert done.outcome == "success", machine.log.text
    (machine.workspace / "names.json").write_text(json.dumps(list(everything.values)))
    assert machine.run(KEEPER).outcome == "success", machine.log.text[-2000:]
    assert machine.run(PRINTER).outcome == "success", machine.log.text[-2000:]
    return Played(machine, everything)


def hits(log: JobLog, wanted: list[str]) -> list[tuple[str, str]]:
    """Canaries in a log, with the form in which they stand there."""
    return list(canaries.hits(log.text.encode(), wanted))


class TestTheWholeCorpus:
    """Hostile texts of every other test around canaries, and what a runner could take for its own."""

    def test_no_canary_in_the_log(self, played: Played, record_property: Record) -> None:
        """The head of each step shows every variable, and the last step printed each in some thirty forms."""
        log = played.machine.log
        found = hits(log, played.corpus.canaries)
        assert found == []
        assert len(log.lines) > 10_000
        record_property(
            "canaries in the Action's log",
            f"{len(found)} of {len(played.corpus.canaries)} in {len(played.corpus.values)} values, "
            f"{len(log.lines)} lines, {len(log.masks)} masks",
        )

    def test_the_runner_was_told_exactly_what_to_hide(self, played: Played) -> None:
        """Escapes, blanks and all; and no program said it for us."""
        told = set(played.machine.log.masks)
        assert [text for text in masks(played.corpus.values) if text not in told] == []

    def test_the_next_step_has_every_value_exactly(self, played: Played) -> None:
        """Byte for byte, through GITHUB_ENV and the environment of a process."""
        arrived = json.loads((played.machine.workspace / "arrived.json").read_text())
        wrong = [name for name, value in played.corpus.values.items() if arrived[name] != value.encode().hex()]
        assert wrong == []

    def test_nothing_but_the_values_was_exported(self, played: Played) -> None:
        """No value became a variable, a path or a command of its own."""
        assert played.machine.environment.keys() == played.corpus.values.keys()
        assert played.machine.paths == []
        ours = [one for one in played.machine.log.annotations if one.properties.get("title") == "Keyway"]
        assert {one.level for one in ours} <= {"warning"}

    def test_the_file_has_every_value_exactly(self, played: Played) -> None:
        """Readable by one user, complete."""
        path = played.machine.workspace / "deploy.env"
        read = dotenv.parse(dotenv.decode(path.read_bytes()))
        assert {name: value.reveal() for name, value in read.items()} == played.corpus.values
        assert path.stat().st_mode & 0o777 == 0o600

    def test_the_output_has_every_value_exactly(self, played: Played) -> None:
        """As one JSON object."""
        assert json.loads(played.machine.steps["keyway"].outputs["secrets"]) == played.corpus.values

    def test_no_file_is_left_behind(self, played: Played) -> None:
        """But the one that was asked for, and what the test's own step wrote."""
        (played.machine.workspace / "arrived.json").unlink(missing_ok=True)
        for folder in (played.machine.temp, played.machine.home, played.machine.workspace):
            found = canaries.in_files(folder, played.corpus.canaries[:50])
            assert {name for name, _, _ in found} <= {"deploy.env"}

    def test_the_log_would_tell_without_masks(self, played: Played) -> None:
        """The same lines, read by a log that was told nothing: the search finds what is there."""
        bare = JobLog()
        name, value = next(iter(played.corpus.values.items()))
        bare.read(f"{name}: {value}")
        assert hits(bare, played.corpus.canaries) != []


class TestOrder:
    """Masks come first."""

    @pytest.fixture
    def paused(self, workshop: Workshop, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """The Action in the middle of its masks: there are more than a pipe holds, and nobody reads on."""
        workshop.replace("staging", {f"LONG_{number}": canaries.new() * 1_300 for number in range(2)})
        url, token = workshop.job().id_token()  # type: ignore[misc]
        for name in ("env", "output"):
            (tmp_path / name).touch()
        environment = {
            "PATH": os.environ["PATH"],
            "KEYWAY_ACTION_API_URL": workshop.api_url,
            "KEYWAY_ACTION_ENVIRONMENT": "staging",
            "KEYWAY_ACTION_EXPORT_ENV": "true",
            "KEYWAY_ACTION_ENV_FILE": "file",
            "GITHUB_REPOSITORY": workshop.home.full_name,
            "GITHUB_WORKSPACE": str(tmp_path),
            "GITHUB_ENV": str(tmp_path / "env"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "ACTIONS_ID_TOKEN_REQUEST_URL": url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token,
        }
        command = ["bash", str(ROOT / "cli/keyway_cli/ci/start.sh")]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            yield process, tmp_path
            process.kill()

    def test_nothing_is_handed_over_before_every_mask_is_said(
        self, paused: tuple[subprocess.Popen[bytes], Path]
    ) -> None:
        """While masks are still to be read, no file and no argument has a value; afterwards the files have."""
        process, folder = paused
        assert process.stdout is not None
        seen = process.stdout.read(8_192)
        while b"canaryx" not in seen:
            seen += process.stdout.read(8_192)
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
        assert [(folder / name).stat().st_size for name in ("env", "output")] == [0, 0]
        assert not (folder / "file").exists()
        assert [one for one in arguments if b"canaryx" in one or b"eyJ" in one or b"kwci_" in one] == []
        assert arguments[-2].endswith(b"ci/__main__.py")
        assert b"canaryx" not in Path(f"/proc/{process.pid}/environ").read_bytes()
        rest = process.stdout.read()
        assert process.wait(30) == 0, rest[-500:]
        assert (folder / "env").stat().st_size > 100_000
        assert (folder / "file").stat().st_mode & 0o777 == 0o600
        last = [line for line in (seen + rest).splitlines() if line][-1]
        assert last.startswith(b"keyway: 2 secrets of staging")

    def test_a_step_that_fails_afterwards_has_masked_all_the_same(self, workshop: Workshop, start: Start) -> None:
        """The file cannot be written: what was read is masked, and nothing is exported."""
        machine = start()
        done = machine.use_action(
            api_url=workshop.api_url, environment="development", env_file="/proc/nothing",
            env_file_outside_workspace="true",
        )  # fmt: skip
        assert (done.outcome, machine.environment) == ("failure", {})
        assert workshop.home.values("development")["KEPT"] in machine.log.masks


class TestWhichTexts:
    """What is hidden, and what is told of what is not."""

    def test_every_line_and_form(self) -> None:
        """Each by itself: lines, blanks, JSON, URL, Base64 at three places and wrapped, hexadecimal."""
        value = 'first "line" ü/+\n  second line of it all, which is long enough to be broken into several pieces\n'
        told = masks({"A": value})
        whole = value.encode()
        wanted = [
            b64encode(whole).decode(),
            b64encode(whole)[:76].decode(),
            b64encode(b"a" + whole)[2:].decode(),
            b64encode(b"ab" + whole)[3:].decode(),
            whole.hex(),
            json.dumps(value)[1:-1],
            quote(value, safe=""),
            'first "line" ü/+',
            "second line of it all, which is long enough to be broken into several pieces",
            'first \\"line\\" \\u00fc/+',
            'first \\"line\\" ü/+',
            "first%20%22line%22%20%C3%BC%2F%2B",
            "first+%22line%22+%C3%BC%2F%2B",
        ]
        assert [one for one in wanted if one not in told] == []
        assert [one for one in told if "\n" in one or "\r" in one or not one.strip()] == []
        assert len(told) == len(set(told))

    def test_values_come_before_their_forms(self) -> None:
        """A runner that is stopped half-way has heard what matters most."""
        told = masks({"A": "one-value-1", "B": "other-value-2"})
        assert told[:2] == ["one-value-1", "other-value-2"]

    @pytest.mark.parametrize("value", ["abc", "1", "true", "production", "8080", "localhost", "{\n}\n", '"'])
    def test_what_would_garble_the_log_is_told_instead(self, value: str) -> None:
        """Short and common ones, unless `all` was asked for."""
        assert masks({"A": value}) == []
        assert unmasked({"A": value}) == ["A"]
        assert value.split("\n", maxsplit=1)[0] in masks({"A": value}, everything=True)

    def test_nothing_is_said_of_nothing(self) -> None:
        """Empty and blank values."""
        assert masks({"A": "", "B": " \n\t", "C": "\n"}, everything=True) == []
        assert unmasked({"A": "", "B": " \n\t"}) == []

    def test_a_brace_of_a_document_is_not_hidden(self) -> None:
        """Every log would be full of stars."""
        told = masks({"A": '{\n  "key": "a-long-secret"\n}\n'})
        assert not {"{", "}"} & set(told)
        assert '"key": "a-long-secret"' in told
        assert unmasked({"A": '{\n  "key": "a-long-secret"\n}\n'}) == []
