"""GitHub's JSON, complete enough for strict clients: every field that its published schema requires is there."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Final

from .world import EVENTS, FULL_PERMISSIONS, Installation, Org, Repo, User, World, split_role

Json = dict[str, Any]
_BORN: Final = "2024-03-01T09:00:00Z"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_REPO_LINKS: Final = _words(
    """
    archive assignees blobs branches collaborators comments commits compare contents contributors deployments downloads
    events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges
    milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees
    """
)
_USER_LINKS: Final = _words(
    "followers following gists starred subscriptions organizations repos events received_events"
)
_ORG_LINKS: Final = _words("repos events hooks issues members public_members")


@dataclass(frozen=True)
class Renderer:
    """Renders for one caller: `api` is the address that the caller used for the API, `web` that of the pages."""

    world: World
    api: str
    web: str
    app_id: int
    app_name: str
    client_id: str

    def account(self, account: User | Org) -> Json:
        """The short form of a person or an organisation, as an owner."""
        return self.user(account) if isinstance(account, User) else self._org_as_user(account)

    def user(self, user: User) -> Json:
        """The short form of a person."""
        return self._actor(user.id, user.login, "User")

    def _org_as_user(self, org: Org) -> Json:
        return self._actor(org.id, org.login, "Organization")

    def _actor(self, number: int, login: str, kind: str) -> Json:
        url = f"{self.api}/users/{login}"
        return {
            "login": login,
            "id": number,
            "node_id": _node(kind, number),
            "avatar_url": f"{self.web}/_avatars/{number}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{login}",
            "type": kind,
            "user_view_type": "public",
            "site_admin": False,
        } | {f"{link}_url": f"{url}/{link}" for link in _USER_LINKS}

    def profile(self, user: User) -> Json:
        """The public profile of a person."""
        return self.user(user) | {
            "name": user.name,
            "company": None,
            "blog": "",
            "location": None,
            "email": user.email if user.public_email else None,
            "hireable": None,
            "bio": None,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": _BORN,
            "updated_at": _BORN,
        }

    def own_profile(self, user: User) -> Json:
        """What a person's own token sees."""
        return self.profile(user) | {
            "private_gists": 0,
            "total_private_repos": 0,
            "owned_private_repos": 0,
            "disk_usage": 0,
            "collaborators": 0,
            "two_factor_authentication": True,
        }

    def org(self, org: Org) -> Json:
        """An organisation in full."""
        return self.org_simple(org) | {
            "name": org.name,
            "has_organization_projects": True,
            "has_repository_projects": True,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "html_url": f"{self.web}/{org.login}",
            "type": "Organization",
            "created_at": _BORN,
            "updated_at": _BORN,
            "archived_at": None,
        }

    def org_simple(self, org: Org) -> Json:
        """An organisation inside another answer."""
        url = f"{self.api}/orgs/{org.login}"
        return {
            "login": org.login,
            "id": org.id,
            "node_id": _node("Organization", org.id),
            "url": url,
            "avatar_url": f"{self.web}/_avatars/{org.id}",
            "description": None,
        } | {f"{link}_url": f"{url}/{link}" for link in _ORG_LINKS}

    def membership(self, org: Org, user: User) -> Json:
        """One person's membership in an organisation."""
        return {
            "url": f"{self.api}/orgs/{org.login}/memberships/{user.login}",
            "state": "active",
            "role": org.members[user.id],
            "organization_url": f"{self.api}/orgs/{org.login}",
            "organization": self.org_simple(org),
            "user": self.user(user),
            "direct_membership": True,
        }

    def repo(self, repo: Repo, role: str | None = None) -> Json:
        """A repository in full; `role` fills `permissions`, none means those of an App that may only look."""
        name = self.world.full_name(repo)
        url = f"{self.api}/repos/{name}"
        known = {f"{link}_url": f"{url}/{link}" for link in _REPO_LINKS} | _REPO_FIGURES
        return known | {
            "id": repo.id,
            "node_id": _node("Repository", repo.id),
            "name": repo.name,
            "full_name": name,
            "owner": self.account(self.world.owner(repo)),
            "private": repo.visibility != "public",
            "visibility": repo.visibility,
            "html_url": f"{self.web}/{name}",
            "url": url,
            "git_url": f"git://{self.web.partition('//')[2]}/{name}.git",
            "ssh_url": f"git@{self.web.partition('//')[2]}:{name}.git",
            "clone_url": f"{self.web}/{name}.git",
            "svn_url": f"{self.web}/{name}",
            "permissions": permissions(role),
        }

    def collaborator(self, repo: Repo, user: User) -> Json:
        """A person with a role on a repository."""
        role = self.world.role(repo, user.id)
        return self.user(user) | {"permissions": permissions(role), "role_name": split_role(role or "read")[0]}

    def permission(self, user: User, role: str | None) -> Json:
        """The answer of `collaborators/{login}/permission`."""
        role_name, permission = split_role(role) if role else ("none", "none")
        held = self.user(user) | {"permissions": permissions(role), "role_name": role_name}
        return {"permission": permission, "role_name": role_name, "user": held}

    def installation(self, installation: Installation) -> Json:
        """An installation of the App."""
        account = self.world.users.get(installation.account_id) or self.world.orgs[installation.account_id]
        return {
            "id": installation.id,
            "client_id": self.client_id,
            "account": self.account(account),
            "repository_selection": installation.selection,
            "access_tokens_url": f"{self.api}/app/installations/{installation.id}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/settings/installations/{installation.id}",
            "app_id": self.app_id,
            "app_slug": self.app_name,
            "target_id": installation.account_id,
            "target_type": "User" if isinstance(account, User) else "Organization",
            "permissions": installation.permissions,
            "events": installation.events,
            "created_at": _BORN,
            "updated_at": _BORN,
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "suspended_by": self.account(account) if installation.suspended else None,
            "suspended_at": _BORN if installation.suspended else None,
        }

    def app(self, owner: User | Org) -> Json:
        """The App itself."""
        return {
            "id": self.app_id,
            "client_id": self.client_id,
            "slug": self.app_name,
            "node_id": _node("App", self.app_id),
            "owner": self.account(owner),
            "name": self.app_name,
            "description": None,
            "external_url": self.web,
            "html_url": f"{self.web}/apps/{self.app_name}",
            "created_at": _BORN,
            "updated_at": _BORN,
            "permissions": dict(FULL_PERMISSIONS),
            "events": list(EVENTS),
            "installations_count": len(self.world.installations),
        }

    def authorization(self, token: str, user: User, expires_at: str | None) -> Json:
        """The answer of check-token."""
        return {
            "id": user.id,
            "url": f"{self.api}/authorizations/{user.id}",
            "scopes": [],
            "token": token,
            "token_last_eight": token[-8:],
            "hashed_token": None,
            "app": {"client_id": self.client_id, "name": self.app_name, "url": f"{self.web}/apps/{self.app_name}"},
            "note": None,
            "note_url": None,
            "updated_at": _BORN,
            "created_at": _BORN,
            "fingerprint": None,
            "expires_at": expires_at,
            "user": self.user(user),
        }


_REPO_FIGURES: Final[Json] = {
    "description": None,
    "fork": False,
    "mirror_url": None,
    "homepage": None,
    "language": None,
    "forks_count": 0,
    "stargazers_count": 0,
    "watchers_count": 0,
    "size": 1,
    "default_branch": "main",
    "open_issues_count": 0,
    "has_issues": True,
    "has_projects": True,
    "has_wiki": True,
    "has_pages": False,
    "has_discussions": False,
    "archived": False,
    "disabled": False,
    "pushed_at": _BORN,
    "created_at": _BORN,
    "updated_at": _BORN,
    "subscribers_count": 0,
    "network_count": 0,
    "license": None,
    "forks": 0,
    "open_issues": 0,
    "watchers": 0,
}


def permissions(role: str | None) -> dict[str, bool]:
    """The five flags of a role. An App that may only read metadata has none of them."""
    name, base = split_role(role) if role else ("", "")
    rank = {"": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}
    held = rank.get(name, rank.get(base, 0))
    return {
        "admin": held >= rank["admin"],
        "maintain": held >= rank["maintain"],
        "push": held >= rank["write"],
        "triage": held >= rank["triage"],
        "pull": held >= rank["read"],
    }


def _node(kind: str, number: int) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{number}".encode()).decode().rstrip("=")
