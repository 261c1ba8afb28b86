"""`keyway scan` and the world around it: code scanning, hooks, the vault's own values, files of every sort."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from peer import Answer, Request, listening
from person import KEYWAY, Person, Team
from test_cli_scan import github_token, put, silent

LEVELS = ["none", "note", "warning", "error"]
# The part of SARIF 2.1.0 that a consumer relies on, written from the specification (sections 3.13 to 3.37).
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "informationUri": {"type": "string", "format": "uri"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string"},
                                                "shortDescription": {"type": "object", "required": ["text"]},
                                                "defaultConfiguration": {
                                                    "properties": {
                                                        "level": {"enum": ["none", "note", "warning", "error"]}
                                                    }
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "originalUriBaseIds": {"type": "object", "additionalProperties": {"type": "object"}},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId", "locations"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": LEVELS},
                                "message": {"type": "object", "required": ["text"]},
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "additionalProperties": False,
                                                        "required": ["uri"],
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": r"^[!-~]+$"},
                                                            "uriBaseId": {"type": "string"},
                                                        },
                                                    },
                                                    "region": {
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            name: {"type": "integer", "minimum": 1}
                                                            for name in ("startLine", "startColumn", "endLine")
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif_is_what_code_scanning_reads(alice: Person) -> None:
    """Its form, every result with its rule, columns in characters, names of files as addresses."""
    put(alice, "a b/ü.py", f"x = 'é'; a = '{github_token()}'\nb = '{github_token('gho_')}'\n")
    told = json.loads(alice.keyway("scan", "--sarif").out)
    jsonschema_rs.validate(SARIF, told)
    run = told["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[one["ruleIndex"]] for one in run["results"]] == [one["ruleId"] for one in run["results"]]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert {place["artifactLocation"]["uri"] for place in places} == {"a%20b/%C3%BC.py"}
    assert [place["region"]["startColumn"] for place in places] == [15, 6]
    marks = [one["partialFingerprints"]["keywayPlace/v1"] for one in run["results"]]
    assert len(set(marks)) == 2
    put(alice, "a b/ü.py", f"x = 'é'; a = '{github_token()}'\nb = '{github_token('gho_')}'\n")
    others = json.loads(alice.keyway("scan", "--sarif").out)["runs"][0]["results"]
    assert [one["partialFingerprints"]["keywayPlace/v1"] for one in others] == marks, "made of values"
    put(alice, "a b/ü.py", "nothing\n")
    jsonschema_rs.validate(SARIF, json.loads(alice.keyway("scan", "--sarif").out))


def test_the_hook_stops_a_commit(alice: Person) -> None:
    """Installed twice it is there once; a commit with a secret fails, one without goes through."""
    alice.variables["PATH"] = f"{Path(KEYWAY).parent}{os.pathsep}{alice.variables['PATH']}"
    assert alice.keyway("scan", "--install-hook").code == 0
    assert alice.keyway("scan", "--install-hook", "--json").json["installed"] is False
    secret = github_token()
    put(alice, "a.py", f"a = '{secret}'\n")
    alice.git("add", ".")
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        alice.git("commit", "-qm", "with a secret")
    told = (stopped.value.stdout + stopped.value.stderr).decode()
    assert "a.py:1:6" in told
    assert silent(secret, told)
    put(alice, "a.py", "a = os.environ['TOKEN']\n")
    alice.git("add", ".")
    alice.git("commit", "-qm", "without")


def test_the_hook_goes_where_git_looks_and_overwrites_nobody(alice: Person) -> None:
    """core.hooksPath; a hook of somebody else stays as it is, and the answer says what to add to it."""
    alice.git("config", "core.hooksPath", "tools/hooks")
    (alice.clone / "sub").mkdir()
    done = alice.keyway("scan", "--install-hook", "--json", folder=alice.clone / "sub")
    ours = alice.clone / "tools" / "hooks" / "pre-commit"
    assert (done.code, Path(done.json["hook"])) == (0, ours)
    assert os.access(ours, os.X_OK)
    ours.write_text("#!/bin/sh\nexit 0\n")
    refused = alice.keyway("scan", "--install-hook")
    assert (refused.code, ours.read_text()) == (2, "#!/bin/sh\nexit 0\n")
    assert "keyway scan --staged" in refused.err
    ours.unlink()
    ours.symlink_to(alice.home / "nowhere")
    assert alice.keyway("scan", "--install-hook").code == 2
    assert not (alice.home / "nowhere").exists()


def test_pre_commit_finds_its_definition() -> None:
    """`.pre-commit-hooks.yaml` names the same command as the hook."""
    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert (hook["id"], hook["entry"], hook["pass_filenames"]) == ("keyway-scan", "keyway scan --staged", False)


def test_values_of_the_vault_are_found_and_nothing_is_sent(vault: Team) -> None:
    """Raw, quoted, assigned, escaped, in Base64 and over several lines; by name and environment, never by value."""
    owner = vault.owner
    plain, blank, more = (secrets.token_hex(4) + part for part in ("-nobody-knows-1", " two words 2", "/three+3="))
    lines = f"-----BEGIN THING-----\n{secrets.token_hex(24)}\n-----END THING-----"
    owner.write("")
    for key, value in (("PLAIN", plain), ("BLANK", blank), ("MORE", more), ("LINES", lines), ("SHORT", "abc")):
        assert owner.keyway("set", key, "-", stdin=value.encode()).code == 0
    put(owner, "notes.md", f"we use {plain}, you know\n")
    put(owner, "b.yml", f"a:\n  phrase: {blank}\n")
    put(owner, "c.txt", b64encode(more.encode()).decode() + "\n")
    put(owner, "d.py", f'block = "{lines}"\n'.replace("-----\n", "-----\\n").replace("\n---", "\\n---"))
    put(owner, "e.txt", f"before\n{lines}\nafter\n")
    put(owner, "f.txt", "abc\n")
    without = owner.keyway("scan", "--json")
    assert (without.code, without.json["findings"]) == (0, [])
    done = owner.keyway("scan", "--values", "--json")
    assert done.code == 1, done.err
    told = {(one["file"], one["name"].removeprefix("value of this vault: ")) for one in done.json["findings"]}
    assert told == {
        ("notes.md", "PLAIN of development"),
        ("b.yml", "BLANK of development"),
        ("c.txt", "MORE of development"),
        ("d.py", "LINES of development"),
        ("e.txt", "LINES of development"),
    }
    assert all(silent(value, done.out, done.err) for value in (plain, blank, more))
    assert owner.keyway("scan", "--values", "-e", "staging").code in {0, 2}
    stranger = vault.person("teammate", None)
    assert stranger.keyway("scan", "--values").code == 2


def test_what_is_scanned_stays_on_this_machine(alice: Person) -> None:
    """With --values two requests and an empty body; without, none at all, also where a server is named."""
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        if request.path.endswith("/environments"):
            return Answer(200, {"data": {"environments": [{"name": "development", "type": "development"}]}})
        return Answer(200, {"data": {"key": b64encode(bytes(32)).decode(), "digests": {}, "omitted": []}})

    secret = github_token()
    put(alice, "a.py", f"a = '{secret}'\n")
    with listening(answer) as server:
        alice.at(server.url)
        assert alice.keyway("scan").code == 1
        assert asked == []
        done = alice.keyway("scan", "--values")
    assert done.code == 1, done.err
    assert [request.path.rpartition("/")[2] for request in asked] == ["environments", "digests"]
    assert all(request.body in {b"", b"{}"} for request in asked)


def test_files_of_every_sort(alice: Person) -> None:
    """UTF-16 is read; binary data, links and pipes are passed over; what cannot be read is told, and is exit 2."""
    put(alice, "wide.txt", f"token = '{github_token()}'\n".encode("utf-16"))
    put(alice, "latin.txt", f"# caf\xe9\ntoken = '{github_token()}'\n".encode("latin-1"))
    put(alice, "binary.bin", b"\0\1\2" + github_token().encode())
    os.mkfifo(alice.clone / "pipe")
    (alice.home / "elsewhere.txt").write_text(github_token())
    (alice.clone / "link.txt").symlink_to(alice.home / "elsewhere.txt")
    done = alice.keyway("scan", "--json", "--include-ignored")
    assert [one["file"] for one in done.json["findings"]] == ["latin.txt", "wide.txt"]
    (alice.clone / "wide.txt").unlink()
    (alice.clone / "latin.txt").unlink()
    assert alice.keyway("scan").code == 0


def peak(person: Person, name: str, finds: int) -> int:
    """The most memory that a scan of a file ever held, in KiB; it has to find so many secrets."""
    code = (
        "import sys; from keyway_cli.__main__ import main; code = main();"
        "told = open('/proc/self/status').read().split(); print(told[told.index('VmHWM:') + 1], file=sys.stderr);"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "scan", "-q", "--json", name]
    done = subprocess.run(command, cwd=person.clone, env=person.variables, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["findingsCount"] == finds
    return int(done.stderr)


def test_a_huge_file_needs_little_memory(alice: Person) -> None:
    """16 MB, also in one line: found at both ends and in the middle, with less than 8 MB more than for a small file."""
    first, middle, last = (github_token() for _ in range(3))
    small = peak(alice, put(alice, "small.txt", f"'{first}'\n").name, 1)
    for name, filler in (("lines.log", b"2024-05-01 INFO nothing happened here\n"), ("one.min.js", b"a=b+c;")):
        half = filler * ((8 << 20) // len(filler))
        file = put(alice, name, b"'%b'\n" % first.encode())
        with file.open("ab") as grown:
            for part in (half, f"'{middle}'".encode(), half, f"'{last}'".encode()):
                grown.write(part)
        assert peak(alice, name, 3) < small + 8 * 1024
        file.unlink()


def test_it_loads_nothing_that_other_commands_pay_for(alice: Person) -> None:
    """The rules are read when something is scanned, and a scan loads no HTTP."""

    def loaded(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "keyway_cli", *arguments],
            cwd=alice.clone,
            env=alice.variables,
            capture_output=True,
            text=True,
            check=False,
        ).stderr

    assert "keyway_cli.scanning" not in loaded("--help")
    assert "keyway_cli.scanning" not in loaded("list")
    scan = loaded("scan")
    assert "keyway_cli.scanning.engine" in scan
    assert "http.client" not in scan
