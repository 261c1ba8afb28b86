"""Values as the text of a format that another program reads, exactly, or not at all.

A format that cannot carry a value says so by the value's name, before a byte is written, and says what to do instead:
a value that arrives changed is worse than one that does not arrive. What each reader does to a text is told beside the
rule that answers it.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from keyway_core import dotenv
from keyway_core.names import is_key, unstorable
from keyway_core.sensitive import Sensitive

from keyway_cli.errors import KeywayError
from keyway_cli.refused import is_refused

Values = Mapping[str, Sensitive]
Fault = Callable[[str, str], str | None]

# The runner reads these as its own (docs.github.com, "Store information in variables"), and refuses NODE_OPTIONS.
_OF_THE_RUNNER: Final = re.compile(r"(?:GITHUB|RUNNER)_.*|NODE_OPTIONS", re.ASCII)
# Read-only, or given a meaning or another value by sh, dash, bash or zsh as soon as they are assigned.
_OF_THE_SHELL: Final = re.compile(
    r"_|UID|EUID|GID|EGID|PPID|BASHOPTS|SHELLOPTS|BASHPID|BASH_(?:VERSINFO|SUBSHELL|COMMAND|ARGV0|ALIASES|CMDS)|S?RANDOM|"
    r"SECONDS|LINENO|OPTIND|EPOCH(?:SECONDS|REALTIME)|HISTCMD|FUNCNAME|GROUPS|DIRSTACK|COMP_WORDBREAKS|USERNAME|"
    r"status|path|fpath|cdpath|mailpath|manpath|argv|pipestatus"
)
_DOCKER_LINE_BYTES: Final = 65_535  # what Go's line scanner holds, which docker reads with, less the line's end
_KUBERNETES_NAME: Final = 253
_KUBERNETES_BYTES: Final = 1_048_576
_YAML_WORDS: Final = re.compile(r"y|yes|n|no|on|off|true|false|null", re.IGNORECASE)
_YAML_ESCAPED: Final = re.compile(
    r'[\\"]|[^\x20-\x7e\xa0-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]'
)
_HCL_ESCAPED: Final = re.compile(r'[\\"\x00-\x1f\x7f\x85\u2028\u2029\ufeff]|[$%](?=\{)')


class Format(NamedTuple):
    """How values are written for one kind of reader. `fault` says why one of them cannot be carried."""

    what: str
    write: Callable[[Values, str], str]
    fault: Fault
    instead: str = ""


def written(name: str, values: Values, label: str) -> Sensitive:
    """The whole text. `label` is what the thing is called, where a format names it (lower case, digits and dashes).

    Raises KeywayError naming every value that the format cannot carry, and what to do.
    """
    chosen = FORMATS[name]
    faults = [(key, why) for key, value in values.items() if (why := _fault(chosen, key, value.reveal()))]
    if faults:
        told = "; ".join(f"{key} {why}" for key, why in faults)
        names = ",".join(key for key, _ in faults if is_key(key))
        instead = " ".join(filter(None, (chosen.instead, f"or leave out: --except {names}" if names else "")))
        raise KeywayError(f"{name} cannot carry {_counted(len(faults))}: {told}", instead)
    return Sensitive(chosen.write(values, label))


def label_of(*parts: str) -> str:
    """Some words as a name of Kubernetes: lower case letters, digits and dashes, at most 253 characters."""
    joined = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    return joined[:_KUBERNETES_NAME].strip("-") or "keyway"


def is_label(name: str) -> bool:
    """Whether Kubernetes accepts a name for a Secret (a DNS subdomain name)."""
    part = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
    return len(name) <= _KUBERNETES_NAME and re.fullmatch(rf"{part}(?:\.{part})*", name, re.ASCII) is not None


def _fault(chosen: Format, key: str, value: str) -> str | None:
    if not is_key(key):
        return "is no name (letters, digits and _, no digit first, at most 256 characters)"
    if is_refused(key):
        return "is a name that changes how programs start"
    if (reason := unstorable(value)) is not None:
        return f"contains {reason}"
    return chosen.fault(key, value)


def _counted(number: int) -> str:
    return "one value" if number == 1 else f"{number} values"


def _any(_key: str, _value: str) -> str | None:
    return None


def _dotenv(values: Values, _label: str) -> str:
    return dotenv.render(values)


def _json(values: Values, _label: str) -> str:
    return json.dumps({key: value.reveal() for key, value in values.items()}, ensure_ascii=False, indent=2) + "\n"


def _csv(values: Values, _label: str) -> str:
    text = io.StringIO(newline="")
    rows = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")  # RFC 4180
    rows.writerow(("key", "value"))
    rows.writerows((key, value.reveal()) for key, value in values.items())
    return text.getvalue()


def _yaml(values: Values, _label: str) -> str:
    lines = [f"{_yaml_key(key)}: {_yaml_string(value.reveal())}\n" for key, value in values.items()]
    return "".join(lines) or "{}\n"


def _yaml_key(key: str) -> str:
    """A name, in quotes where a reader would take it for a truth value: NO, ON, Y."""
    return f'"{key}"' if _YAML_WORDS.fullmatch(key) else key


def _yaml_string(value: str) -> str:
    """A text in double quotes, in which YAML 1.1 and 1.2 read the same, over one line."""

    def escaped(match: re.Match[str]) -> str:
        known = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
        code = ord(match[0])
        return known.get(match[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")

    return f'"{_YAML_ESCAPED.sub(escaped, value)}"'


def _shell(values: Values, _label: str) -> str:
    return "".join(f"export {key}='{value.reveal().replace(_QUOTE, _QUOTED)}'\n" for key, value in values.items())


_QUOTE: Final = "'"
_QUOTED: Final = "'\\''"


def _shell_fault(key: str, _value: str) -> str | None:
    return "is a variable of the shell itself" if _OF_THE_SHELL.fullmatch(key) else None


def _docker(values: Values, _label: str) -> str:
    return "".join(f"{key}={value.reveal()}\n" for key, value in values.items())


def _docker_fault(key: str, value: str) -> str | None:
    """`--env-file` knows neither quotes nor escapes; a line ends with LF or CRLF and has at most 64 KiB."""
    if "\n" in value:
        return "has several lines"
    if value.endswith("\r"):
        return "ends with a carriage return"
    if len(key) + 1 + len(value.encode()) > _DOCKER_LINE_BYTES:
        return f"takes more than {_DOCKER_LINE_BYTES} bytes on its line"
    return None


def _github(values: Values, _label: str) -> str:
    """Heredocs, whose delimiter nobody can foresee: a value must not be able to end its own."""
    return "".join(_heredoc(key, value.reveal()) for key, value in values.items())


def _heredoc(key: str, value: str) -> str:
    end = f"keyway_{os.urandom(16).hex()}"
    while end in value:
        end = f"keyway_{os.urandom(16).hex()}"
    return f"{key}<<{end}\n{value}\n{end}\n"


def _github_fault(key: str, value: str) -> str | None:
    if _OF_THE_RUNNER.fullmatch(key):
        return "is a name that the runner keeps for itself"
    return "ends with a carriage return, which a runner on Windows drops" if value.endswith("\r") else None


def _kubernetes(values: Values, label: str) -> str:
    sizes = sum(len(value.reveal().encode()) for value in values.values())
    if sizes > _KUBERNETES_BYTES:
        raise KeywayError(
            f"the values take {sizes} bytes; a Secret of Kubernetes holds {_KUBERNETES_BYTES}",
            "split them over several with --only and --name",
        )
    data = [f"  {_yaml_key(key)}: {_base64(value.reveal())}\n" for key, value in values.items()]
    head = f'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "{label}"\ntype: Opaque\n'
    return head + ("data:\n" + "".join(data) if data else "data: {}\n")


def _base64(value: str) -> str:
    return f'"{base64.b64encode(value.encode()).decode()}"'


def _kubernetes_fault(key: str, _value: str) -> str | None:
    return f"has a name of more than {_KUBERNETES_NAME} characters" if len(key) > _KUBERNETES_NAME else None


def _tfvars(values: Values, _label: str) -> str:
    return "".join(f'{key} = "{_HCL_ESCAPED.sub(_hcl, value.reveal())}"\n' for key, value in values.items())


def _hcl(match: re.Match[str]) -> str:
    """`${` and `%{` begin a template; written as a code point the sign is only a sign."""
    known = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return known.get(match[0]) or f"\\u{ord(match[0]):04x}"


def _tfvars_fault(_key: str, value: str) -> str | None:
    """Terraform brings every text into Unicode's form NFC: what is not in it would arrive as other bytes."""
    return None if unicodedata.is_normalized("NFC", value) else "is text that Terraform would normalise (not NFC)"


_ANY_VALUE: Final = "json, yaml and dotenv carry any value"

FORMATS: Final[dict[str, Format]] = {
    "dotenv": Format("a .env file (docs/dotenv.md)", _dotenv, _any),
    "json": Format("one JSON object", _json, _any),
    "yaml": Format("one YAML mapping, each value a string", _yaml, _any),
    "csv": Format("a header and one line for each key (RFC 4180)", _csv, _any),
    "shell": Format("export lines for sh, bash, zsh: eval, or source it", _shell, _shell_fault, _ANY_VALUE),
    "docker": Format("a file for docker run --env-file", _docker, _docker_fault, f"{_ANY_VALUE}; or run -e NAME"),
    "github": Format("what a workflow appends to $GITHUB_ENV", _github, _github_fault, "use --prefix"),
    "k8s": Format("a Secret of Kubernetes", _kubernetes, _kubernetes_fault, _ANY_VALUE),
    "tfvars": Format(
        "variables for Terraform and OpenTofu", _tfvars, _tfvars_fault, "encode it, for example in base64;"
    ),
}
