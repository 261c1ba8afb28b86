"""What `keyway export` writes arrives byte for byte at whoever reads the format, or is refused by its name."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from consumers import Reader, by_docker_manual, by_runner, by_terraform_manual, readers
from keyway_cli.errors import KeywayError
from keyway_cli.formats.writing import FORMATS, is_label, label_of, written
from keyway_core.sensitive import Sensitive

from tests.backend.secrets.desk import HARD
from tests.invariants.test_values_survive import generated

GENERATED: Final = 150
TRICKS: Final = {
    "TEMPLATE": "${var.x} %{if true} $${y} %%{z} $$${a} \\${b} $ { %",
    "HEREDOC": "EOF\nA<<EOF\nkeyway_\n",
    "COMMAND": "'; touch PWNED; echo '$(touch PWNED)`touch PWNED`",
    "COMMENT": "# no comment",
    "FORMULA": "=cmd|' /C calc'!A0",
    "WORDS": "yes",
    "NUMBER": "0o17",
    "DATE": "2026-01-01",
    "NULL": "null",
    "NO": "no",
    "on": "Y",
    "TWO_LINES": "two\n\nlines",
    "DECOMPOSED": "e\u0301",
    "COMMA": 'a,"b",\r\nc',
}
CORPUS: Final = HARD | TRICKS | {f"G{number}": value for number, value in enumerate(generated(7, GENERATED))}
READERS: Final = [(name, reader) for name in FORMATS for reader in readers(name)]


def sensitive(values: Mapping[str, str]) -> dict[str, Sensitive]:
    return {key: Sensitive(value) for key, value in values.items()}


def arrived(reader: Reader, text: str, folder: Path) -> dict[str, str] | None:
    """What a reader sees; None when it gives up."""
    try:
        return reader(text, folder)
    except AssertionError:
        return None


def refused(name: str, value: str) -> bool:
    """What the readers' manuals say that they cannot read, told here a second time."""
    if name == "docker":
        return "\n" in value or value.endswith("\r") or len(value.encode()) > 60_000
    if name == "github":
        return value.endswith("\r")
    return name == "tfvars" and unicodedata.normalize("NFC", value) != value


@pytest.mark.parametrize(("name", "reader"), READERS)
def test_every_value_arrives(name: str, reader: str, tmp_path: Path) -> None:
    """The whole corpus in one text: quotes, line ends, `$`, templates, Unicode, nothing at all, 64 KiB."""
    values = {key: value for key, value in CORPUS.items() if not refused(name, value)}
    assert len(values) > GENERATED / 2
    text = written(name, sensitive(values), "some-name").reveal()
    seen = readers(name)[reader](text, tmp_path)
    assert [key for key in values if seen.get(key) != values[key]] == []
    assert seen.keys() == values.keys()
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("name", list(FORMATS))
def test_nothing_at_all_arrives(name: str, tmp_path: Path) -> None:
    """An environment without a key is a text without one."""
    text = written(name, {}, "empty").reveal()
    assert [reader(text, tmp_path) for key, reader in readers(name).items() if key != "terraform"] == [
        {} for key in readers(name) if key != "terraform"
    ]


@pytest.mark.parametrize("name", list(FORMATS))
def test_what_cannot_be_carried_is_refused_by_name(name: str) -> None:
    """All at once, each with its reason, with what to do, and without a value."""
    wrong = sorted(key for key, value in CORPUS.items() if refused(name, value))
    if not wrong:
        assert written(name, sensitive(CORPUS), "x").reveal()
        return
    with pytest.raises(KeywayError) as raised:
        written(name, sensitive(CORPUS), "x")
    told = raised.value.message.split(": ", 1)[1]
    assert sorted(part.split(" ", 1)[0] for part in told.split("; ")) == wrong
    assert f"--except {','.join(key for key in CORPUS if key in wrong)}" in raised.value.hint
    assert not any(CORPUS[key] in told for key in wrong if len(CORPUS[key]) > 3)


def test_nothing_is_refused_that_would_have_arrived(tmp_path: Path) -> None:
    """Without the rule the reader sees something else, or nothing."""
    for name, reader in (("docker", by_docker_manual), ("tfvars", by_terraform_manual)):
        for key, value in CORPUS.items():
            if refused(name, value):
                assert arrived(reader, FORMATS[name].write(sensitive({key: value}), "x"), tmp_path) != {key: value}
    text = FORMATS["github"].write(sensitive({"A": "a\r"}), "x")
    assert by_runner(text, tmp_path, windows=True) != {"A": "a\r"}


@pytest.mark.parametrize(
    ("name", "key", "words"),
    [
        ("shell", "UID", "of the shell itself"),
        ("shell", "RANDOM", "of the shell itself"),
        ("shell", "OPTIND", "of the shell itself"),
        ("github", "GITHUB_TOKEN", "keeps for itself"),
        ("github", "RUNNER_TEMP", "keeps for itself"),
        ("github", "NODE_OPTIONS", "keeps for itself"),
        ("k8s", "K" * 254, "253 characters"),
        *((name, "A-B", "is no name") for name in FORMATS),
        *((name, "LD_PRELOAD", "how programs start") for name in FORMATS),
        *((name, "A\nB", "is no name") for name in FORMATS),
    ],
)
def test_names_that_a_reader_keeps_for_itself(name: str, key: str, words: str) -> None:
    """They would be ignored, refused by it, or change what it does."""
    with pytest.raises(KeywayError, match=words):
        written(name, sensitive({"GOOD": "x", key: "canary"}), "x")


def test_a_secret_of_kubernetes_holds_a_megabyte() -> None:
    """More is refused by kubectl only after it was sent."""
    fitting = {f"K{number}": "x" * 65_536 for number in range(16)}
    assert written("k8s", sensitive(fitting), "x")
    with pytest.raises(KeywayError, match="1048577 bytes") as raised:
        written("k8s", sensitive({**fitting, "ONE_MORE": "x"}), "x")
    assert "--only" in raised.value.hint


def test_no_delimiter_can_be_foreseen() -> None:
    """Two exports of one value have nothing in common that the value could hold."""
    first, second = (written("github", sensitive({"A": "x"}), "x").reveal() for _ in range(2))
    assert first != second


def test_a_name_for_kubernetes() -> None:
    """Whatever a repository is called, the Secret's name is one that Kubernetes accepts."""
    chance = random.Random(3)  # noqa: S311
    words = ["".join(chance.choices("aB9._-/é", k=chance.randrange(300))) for _ in range(200)]
    assert all(is_label(label_of(word, "production")) for word in words)
    assert label_of("My.App_2", "prod") == "my-app-2-prod"
    assert [name for name in ("", "A", "-a", "a-", "a..b", "a/b", "a" * 254, "a\n") if is_label(name)] == []
