"""Whoever reads an exported text: the real program where this machine has it, else a reader written from its manual."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from keyway_core import dotenv
from peer import Answer, Request, listening

PLAIN: Final = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
_SHOW: Final = "import json, os, sys; json.dump({k: v for k, v in os.environ.items()}, sys.stdout)"
Reader = Callable[[str, Path], dict[str, str]]


def run(command: list[str], folder: Path, stdin: bytes = b"", **variables: str) -> bytes:
    """What a program prints. It must succeed and say nothing on stderr."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=PLAIN | {"HOME": str(folder)} | variables,
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def by_shell(shell: str) -> Reader:
    """The variables of a program that a shell starts after it has sourced the text."""

    def read(text: str, folder: Path) -> dict[str, str]:
        (folder / "values.sh").write_bytes(text.encode())
        script = 'set -eu; . ./values.sh; exec "$0" -c "$1"'
        seen = json.loads(run([shell, "-c", script, sys.executable, _SHOW], folder))
        return {key: seen[key] for key in re.findall(r"^export (\w+)='", text, re.MULTILINE) if key in seen}

    return read


def by_dotenv(text: str, _folder: Path) -> dict[str, str]:
    """Our own reader of `.env` files."""
    return {key: value.reveal() for key, value in dotenv.parse(text).items()}


def by_json(text: str, _folder: Path) -> dict[str, str]:
    """Python's."""
    return strings(json.loads(text))


def by_yaml(text: str, _folder: Path) -> dict[str, str]:
    """PyYAML with all that YAML 1.1 takes words for: truth values, dates, octal numbers."""
    return strings(yaml.safe_load(text))


def by_csv(text: str, _folder: Path) -> dict[str, str]:
    """Python's."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["key", "value"]
    return dict(rows)  # type: ignore[arg-type]


def by_kubernetes_manual(text: str, folder: Path) -> dict[str, str]:
    """`kubectl get -o yaml | base64 -d`: every value under `data` is base64."""
    manifest = yaml.safe_load(text)
    assert (manifest["apiVersion"], manifest["kind"], manifest["type"]) == ("v1", "Secret", "Opaque")
    return {
        key: run(["base64", "-d"], folder, value.encode()).decode() for key, value in strings(manifest["data"]).items()
    }


def by_kubectl(text: str, folder: Path) -> dict[str, str]:
    """The real one, which reads the manifest as it would before it sends it."""
    (folder / "secret.yaml").write_bytes(text.encode())
    shown = json.loads(run(["kubectl", "label", "--local", "-f", "secret.yaml", "a=b", "-o", "json"], folder))
    return {key: base64.b64decode(value, validate=True).decode() for key, value in shown["data"].items()}


def by_docker_manual(text: str, _folder: Path) -> dict[str, str]:
    """docs.docker.com, `docker run --env-file`: lines of at most 64 KiB, comments, no quotes, no escapes."""
    found = {}
    for line in text.encode().split(b"\n"):
        assert len(line) <= 65_535, "token too long"
        trimmed = line.removesuffix(b"\r").decode().lstrip()
        if not trimmed or trimmed.startswith("#"):
            continue
        name, equals, value = trimmed.partition("=")
        assert equals, "a name without a value is taken from the environment"
        assert not re.search(r"\s", name), "no blank may stand in a name"
        found[name] = value
    return found


def by_docker(text: str, folder: Path) -> dict[str, str]:
    """The real client: what it asks a daemon to create a container with."""
    (folder / "env.list").write_bytes(text.encode())
    with daemon() as (address, asked):
        run(["docker", "create", "--env-file", "env.list", "image"], folder, DOCKER_HOST=address, DOCKER_CONFIG=".")
    return dict(pair.split("=", 1) for pair in asked[0]["Env"] or [])


@contextmanager
def daemon() -> Iterator[tuple[str, list[Any]]]:
    """As much of Docker's daemon as the client needs to create a container."""
    asked: list[Any] = []

    def answer(request: Request) -> Answer:
        if request.path.endswith("/_ping"):
            return Answer(body=b"OK", headers={"Api-Version": "1.45", "Ostype": "linux"})
        if "/containers/create" in request.path:
            asked.append(request.json)
            return Answer(201, {"Id": "0" * 64, "Warnings": []}, {"Content-Type": "application/json"})
        return Answer(body={}, headers={"Content-Type": "application/json"})

    with listening(answer) as peer:
        yield peer.url.replace("http://", "tcp://"), asked


def by_runner(text: str, _folder: Path, *, windows: bool = False) -> dict[str, str]:
    """GitHub's manual on environment files: NAME=VALUE, or NAME<<DELIMITER and lines up to the delimiter."""
    found, place = {}, 0

    def line() -> tuple[str, int]:
        end = text.index("\n", place)
        cut = end - 1 if windows and text[end - 1 : end] == "\r" else end
        return text[place:cut], end + 1

    while place < len(text):
        head, place = line()
        name, delimiter = head.split("<<", 1)
        assert name
        assert "=" not in name
        start = stop = place
        while (read := line())[0] != delimiter:
            stop, place = place + len(read[0]), read[1]
        found[name], place = text[start:stop], read[1]
    return found


def by_terraform(text: str, folder: Path) -> dict[str, str]:
    """The real one, which reads the file as variables and shows them again."""
    names = re.findall(r"^(\w+) = ", text, re.MULTILINE)
    (folder / "main.tf").write_text("".join(f'variable "{name}" {{}}\n' for name in names))
    (folder / "values.tfvars").write_bytes(text.encode())
    question = "base64encode(jsonencode({" + ",".join(f"{name}=var.{name}" for name in names) + "}))\n"
    shown = run(["terraform", "console", "-var-file=values.tfvars"], folder, question.encode(), TF_CLI_CONFIG_FILE="")
    return strings(json.loads(base64.b64decode(shown.decode().strip().strip('"'))))


def by_terraform_manual(text: str, _folder: Path) -> dict[str, str]:
    """The language's page on strings and templates, and that every string is brought into NFC."""
    pairs = re.findall(r'^(\w+) = ("(?:[^"\\\n]|\\.)*")$', text, re.MULTILINE)
    assert "".join(f"{name} = {quoted}\n" for name, quoted in pairs) == text
    return {name: unicodedata.normalize("NFC", hcl_string(quoted)) for name, quoted in pairs}


def hcl_string(quoted: str) -> str:
    """A text in HCL's double quotes. A template is refused: nobody meant one."""
    inner = quoted[1:-1]
    assert not re.search(r"(?<![$%])[$%]\{", inner), "a template"
    known = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
    plain = re.compile(r'\\(?:([nrt"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([$%])\4\{')

    def meant(match: re.Match[str]) -> str:
        if match[4]:
            return f"{match[4]}{{"
        return known[match[1]] if match[1] else chr(int(match[2] or match[3], 16))

    return plain.sub(meant, inner)


def strings(found: Any) -> dict[str, str]:
    """A mapping of texts to texts and nothing else."""
    assert all(type(key) is str and type(value) is str for key, value in found.items()), "not all are texts"
    return dict(found)


def readers(name: str) -> dict[str, Reader]:
    """Who reads a format on this machine."""
    real = {program: by for program, by in _REAL.get(name, {}).items() if shutil.which(program)}
    return _WRITTEN.get(name, {}) | real


_WRITTEN: Final[dict[str, dict[str, Reader]]] = {
    "dotenv": {"keyway": by_dotenv},
    "json": {"python": by_json},
    "yaml": {"PyYAML": by_yaml},
    "csv": {"python": by_csv},
    "docker": {"manual": by_docker_manual},
    "github": {"manual": by_runner},
    "k8s": {"manual": by_kubernetes_manual},
    "tfvars": {"manual": by_terraform_manual},
}
_REAL: Final[dict[str, dict[str, Reader]]] = {
    "shell": {shell: by_shell(shell) for shell in ("sh", "bash", "dash", "zsh")},
    "docker": {"docker": by_docker},
    "k8s": {"kubectl": by_kubectl},
    "tfvars": {"terraform": by_terraform},
}
