"""docs/github-action.md and the example: every workflow in them is run, every table is that of action.yml."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from keyway_cli.commands.api_keys import command as api_keys
from keyway_standalone.processes import Stack

from tests.action.conftest import Workshop
from tests.action.runner import ROOT, Runner
from tests.oracle import canaries, keys, stage
from tests.oracle.stage import GitHub

DOCS: Final = ROOT / "docs"
PAGE: Final = (DOCS / "github-action.md").read_text(encoding="utf-8")
EXAMPLE: Final = (DOCS / "examples" / "deploy.yml").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
WORKFLOWS: Final = {yaml.safe_load(text)["name"]: text for language, text in BLOCKS if language == "yaml"}
COMMANDS: Final = [line for language, text in BLOCKS if language == "console" for line in text.splitlines()]
# What the workflows deploy with: it keeps what it was given, and talks.
DEPLOY: Final = """#!/bin/sh
printf '%s' "$DATABASE_URL" > seen
test -z "$1" || cp "$1" file
echo "deploying with $DATABASE_URL"
"""


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Workshop:
    """A vault with something in each environment, and the page's rule."""
    made = Workshop(stage.home(stack, "page", keep=False), GitHub(stack))
    for environment in ("development", "staging", "production"):
        values = {"DATABASE_URL": f"postgres://app:{canaries.new(environment)}@db/app", "OTHER": canaries.new()}
        assert made.home.push(values, environment).status == 200
    rule = json.loads(re.findall(r"-d '(.*)'", next(line for line in COMMANDS if "oidc-rules" in line))[0])
    made.rule(rule.pop("environment"), **rule)
    return made


def played(shop: Workshop, folder: Path, text: str) -> Runner:
    """A workflow, with this server in place of the example's."""
    workflow = yaml.safe_load(text)
    [job] = workflow["jobs"].values()
    claims = {"environment": job["environment"]} if "environment" in job else {}
    key = keys.give(shop.home.stack, shop.home.token, vaults=[shop.home.vault_id]).token
    machine = Runner(folder, shop.job(secrets={"KEYWAY_TOKEN": key}, **claims))
    (machine.workspace / "deploy.sh").write_text(DEPLOY)
    (machine.workspace / "deploy.sh").chmod(0o755)
    machine.run_workflow(text.replace("https://api.example.com", shop.api_url))
    return machine


@pytest.mark.parametrize("name", [*WORKFLOWS, "the example"])
def test_the_workflow_deploys_and_its_log_tells_nothing(shop: Workshop, tmp_path: Path, name: str) -> None:
    """The program of the last step has the value of the environment that the workflow names."""
    text = WORKFLOWS.get(name, EXAMPLE)
    machine = played(shop, tmp_path, text)
    assert machine.status == "success", machine.log.text
    environment = re.findall(r"environment: (\w+)\n", text)[-1]
    values = shop.home.values(environment)
    seen = (machine.workspace / "seen").read_text()
    given = (machine.workspace / "file").read_text() if (machine.workspace / "file").exists() else seen
    assert values["DATABASE_URL"] in given
    assert [one for one in values.values() if one in machine.log.text] == []
    assert not (machine.workspace / ".env").exists()
    if "export-env: false" in text:
        assert machine.environment.keys() & values.keys() == set()


def test_the_rule_is_needed(shop: Workshop, tmp_path: Path) -> None:
    """The page's workflow for production without GitHub's environment is refused."""
    text = next(text for text in WORKFLOWS.values() if "\n    environment: production\n" in text)
    assert played(shop, tmp_path, text.replace("\n    environment: production\n", "\n")).status == "failure"


@pytest.mark.parametrize("text", [*WORKFLOWS.values(), EXAMPLE])
def test_every_action_is_named_by_its_commit(text: str) -> None:
    """No tag that somebody could move."""
    steps: list[dict[str, Any]] = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    used = [step["uses"] for step in steps if "uses" in step]
    assert [one for one in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", one)] == []


def test_the_tables_are_those_of_the_action() -> None:
    """Every input with its default, every output."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    section = PAGE.partition("\n## Inputs\n")[2].partition("\n## ")[0]
    inputs, outputs = section.split("| output | is |")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|", inputs, re.MULTILINE))
    assert rows.keys() == action["inputs"].keys()
    assert set(re.findall(r"^\| `([\w-]+)` \|", outputs, re.MULTILINE)) == action["outputs"].keys()
    for name, about in action["inputs"].items():
        default = about["default"]
        if default and "${{" not in default:
            assert rows[name] == f"`{default}`"
    assert len(WORKFLOWS) == sum(language == "yaml" for language, _ in BLOCKS)


def test_the_key_is_made_by_a_command_that_there_is() -> None:
    """With options that it has; it prints nothing but the token, and that reads by default."""
    create = api_keys.commands["create"]  # type: ignore[attr-defined]
    options = {name for parameter in create.params for name in parameter.opts}
    [line] = [line for line in COMMANDS if line.startswith("keyway ")]
    assert set(re.findall(r" (--\w+)", line.partition("|")[0])) <= options
    [scope] = [parameter for parameter in create.params if parameter.name in {"scope", "scopes"}]
    assert list(scope.default) == ["read:secrets"]


def test_every_link_leads_somewhere() -> None:
    """Files exist, and so do the headings of this page."""
    titles = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert target[1:] in anchors if target[0] == "#" else (DOCS / target.partition("#")[0]).exists(), target
