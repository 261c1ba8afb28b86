"""Which repository is meant: owner/name of the git remote `origin`, if that remote is on our GitHub.

The host matters. Whoever clones a stranger's repository from another host must not be handed the secrets of a
repository that is called the same on GitHub.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from keyway_core.names import is_repository

from keyway_cli import git
from keyway_cli.errors import Misconfigured, UsageProblem

GITHUB: Final = "github.com"
_HINT: Final = "name the repository with -r owner/name"
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d+){3}|\[::1\]|::1")
_ADDRESS: Final = re.compile(
    r"(?:(?:https?|ssh|git|git\+ssh)://(?:[^@/]*@)?(?P<host>\[[^\]/]+\]|[^:/@]+)(?::\d+)?/+"
    r"|(?:[^@/:]*@)?(?P<scp>\[[^\]/]+\]|[^:/@]+):(?!//)/*)"
    r"(?P<path>[^?#]+)"
)


class Remote(NamedTuple):
    """Where a remote points: the host in lower case without a port, and owner/name."""

    host: str
    repository: str


def host_of(url: str) -> str:
    """The host of an http(s) address, in lower case and without a port; empty when it has none."""
    match = re.match(r"https?://(?:[^@/]*@)?(\[[^\]/]+\]|[^:/@]+)", url)
    return match[1].lower() if match else ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name; nothing is looked up."""
    return _LOOPBACK.fullmatch(host.lower()) is not None


def parse_remote(address: str) -> Remote | None:
    """The remote that a git address names (https, ssh://, git@host:path), or None for anything else."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    repository = match["path"].strip("/").removesuffix(".git")
    host = (match["host"] or match["scp"]).lower()
    return Remote(host, repository) if is_repository(repository) else None


def accepted_hosts(github_url: str, learnt_url: str) -> frozenset[str]:
    """The hosts whose repositories our server knows.

    It is what KEYWAY_GITHUB_URL says, else what the sign-in showed, else github.com.
    A sign-in on this very machine is a stand-in for github.com, from which its repositories may well have been cloned.
    """
    chosen = host_of(github_url) or host_of(learnt_url) or GITHUB
    also = {GITHUB} if not github_url and is_loopback(chosen) else set()
    return frozenset({chosen, f"ssh.{chosen}"} | also | {f"ssh.{host}" for host in also})


def any_from_git() -> str:
    """owner/name of `origin` on whatever host, or nothing. For hints only."""
    remote = parse_remote(git.origin())
    return remote.repository if remote else ""


def from_git(hosts: frozenset[str]) -> str:
    """owner/name of `origin`. Raises UsageProblem or Misconfigured, naming the host and never the address."""
    address = git.origin()
    if not address:
        known = (
            "this repository has no remote called origin"
            if git.is_work_tree()
            else "this folder is not in a git repository"
        )
        raise UsageProblem(known, _HINT)
    remote = parse_remote(address)
    if remote is None:
        raise UsageProblem("the remote origin is not an address of a GitHub repository", _HINT)
    if remote.host not in hosts:
        raise Misconfigured(
            f"the remote origin is on {remote.host}, not on {min(hosts, key=len)}",
            f"set KEYWAY_GITHUB_URL=https://{remote.host} if your Keyway serves that host, or {_HINT}",
        )
    return remote.repository
