"""People of a file of tests who sign in once: a sign-in costs as much as a dozen other requests.

Roles are given anew on each repository. Whoever is signed out, renamed or counted by a test must be its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keyway_standalone.processes import Stack
from permission_sets import FULL, Granted
from stack import sign_in

from tests.oracle import stage
from tests.oracle.stage import GitHub, Home


class People:
    """An administrator, a person for each role, and a stranger."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._github = GitHub(stack)
        self._known: dict[str, tuple[str, str]] = {}

    def person(self, name: str) -> tuple[str, str]:
        """Login and session."""
        if name not in self._known:
            login = self._github.user(name)
            self._known[name] = login, sign_in(self._stack, login)
        return self._known[name]

    def with_role(self, home: Home, role: str, name: str = "") -> tuple[str, str]:
        """Login and session of the one who has this role there from now on; of a certain person with a `name`."""
        assert (name or role) != "founder", "whose repository it is has every right there already"
        login, token = self.person(name or role)
        self._github.do("set-role", repo=home.full_name, login=login, role=role)
        return login, token

    def home(self, stem: str, *, granted: Granted = FULL) -> Home:
        """`stage.home` of the administrator: an organisation, a repository and a vault of its own."""
        # Not "admin": who has that role on a repository of somebody else's is another one than its owner.
        made = stage.home(self._stack, stem, granted=granted, founder=self.person("founder"))
        return _Home(**vars(made), people=self)


@dataclass
class _Home(Home):
    """One of theirs: who has a role there is one of them."""

    people: People = field(kw_only=True)

    def with_role(self, role: str) -> str:
        """A session of somebody with this role."""
        return self.people.with_role(self, role)[1]
