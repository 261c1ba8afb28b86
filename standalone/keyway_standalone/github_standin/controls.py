"""What a test does to the stand-in's world. These endpoints exist only when it was started with `--test-controls`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import events, oidc, webhooks
from .context import Github, Run, github_of
from .credentials import same
from .grants import Token, hash_of
from .world import EVENTS, FULL_PERMISSIONS, Installation, Missing, Org, Repo, User, split_role

Arguments = dict[str, Any]
Action = Callable[[Github, Arguments], Any]


def _world(github: Github, _given: Arguments) -> Any:
    world = github.world
    shown = asdict(world) | {"app_id": github.settings.app_id}
    shown["repos"] = {repo.id: _shown(github, repo) for repo in world.repos.values()}
    return shown


def _shown(github: Github, repo: Repo) -> dict[str, Any]:
    return asdict(repo) | {"full_name": github.world.full_name(repo)}


def _decide_device(github: Github, given: Arguments) -> Any:
    """user_code, login; deny=True refuses."""
    device = github.grants.device_by_user_code(given["user_code"])
    if device is None:
        raise Missing
    device.denied = bool(given.get("deny"))
    device.user_id = 0 if device.denied else github.world.user(given["login"]).id
    return {"user_id": device.user_id}


def _expire_devices(github: Github, _given: Arguments) -> Any:
    for device in github.grants.devices.values():
        device.expires_at = time.time()
    return {"expired": len(github.grants.devices)}


def _rest_device(github: Github, given: Arguments) -> Any:
    """user_code: nobody has asked about it for as long as its interval."""
    for device in github.grants.devices.values():
        if device.user_code == given["user_code"]:
            device.last_poll = 0.0
    return {}


def _set_role(github: Github, given: Arguments) -> Any:
    """repo, login, role: one of GitHub's, "custom/base", or None to remove the person."""
    repo, user = github.world.repo(given["repo"]), github.world.user(given["login"])
    if given["role"] is None:
        repo.collaborators.pop(user.id, None)
    else:
        split_role(given["role"])
        repo.collaborators[user.id] = given["role"]
    return {"role": github.world.role(repo, user.id)}


def _set_member(github: Github, given: Arguments) -> Any:
    """org, login, role: admin, member, or None to remove the person."""
    org, user = github.world.org(given["org"]), github.world.user(given["login"])
    if given["role"] is None:
        org.members.pop(user.id, None)
    else:
        org.members[user.id] = given["role"]
    return asdict(org)


def _set_base_role(github: Github, given: Arguments) -> Any:
    """org, role: what every member is on every repository; none, read, write or admin."""
    org = github.world.org(given["org"])
    org.base_role = given["role"]
    return asdict(org)


def _create_user(github: Github, given: Arguments) -> Any:
    """login; name."""
    login: str = given["login"]
    user = User(github.world.new_id(), login, given.get("name") or login, f"{login}@example.test")
    github.world.users[user.id] = user
    return asdict(user)


def _create_org(github: Github, given: Arguments) -> Any:
    """login, admin."""
    org = Org(github.world.new_id(), given["login"], given["login"], {github.world.user(given["admin"]).id: "admin"})
    github.world.orgs[org.id] = org
    return asdict(org)


def _create_repo(github: Github, given: Arguments) -> Any:
    """repo (owner/name); visibility."""
    owner, _, name = given["repo"].partition("/")
    account = github.world.account(owner)
    repo = Repo(github.world.new_id(), name, account.id, given.get("visibility", "private"))
    github.world.repos[repo.id] = repo
    return asdict(repo)


def _delete_repo(github: Github, given: Arguments) -> Any:
    repo = github.world.repo(given["repo"])
    del github.world.repos[repo.id]
    for installation in github.world.installations.values():
        installation.repo_ids = [number for number in installation.repo_ids if number != repo.id]
    return {"id": repo.id}


def _delete_user(github: Github, given: Arguments) -> Any:
    user = github.world.user(given["login"])
    del github.world.users[user.id]
    github.grants.revoke_where(user_id=user.id)
    for repo in github.world.repos.values():
        repo.collaborators.pop(user.id, None)
    for org in github.world.orgs.values():
        org.members.pop(user.id, None)
    return {"id": user.id}


def _rename_repo(github: Github, given: Arguments) -> Any:
    """repo, name: the old name redirects until somebody takes it."""
    repo = github.world.repo(given["repo"])
    repo.former.append(github.world.full_name(repo).lower())
    repo.name = given["name"]
    return asdict(repo)


def _transfer_repo(github: Github, given: Arguments) -> Any:
    """repo, owner: the number stays, selected installations of the old owner lose it."""
    repo = github.world.repo(given["repo"])
    repo.former.append(github.world.full_name(repo).lower())
    repo.owner_id = github.world.account(given["owner"]).id
    return asdict(repo)


def _set_visibility(github: Github, given: Arguments) -> Any:
    """repo, visibility: private, internal or public."""
    repo = github.world.repo(given["repo"])
    repo.visibility = given["visibility"]
    return asdict(repo)


def _rename_account(github: Github, given: Arguments) -> Any:
    """login, new: the old login is free at once; repositories redirect."""
    account = github.world.account(given["login"])
    for repo in github.world.repos.values():
        if repo.owner_id == account.id:
            repo.former.append(github.world.full_name(repo).lower())
    account.login = given["new"]
    return asdict(account)


def _install(github: Github, given: Arguments) -> Any:
    """login; repos (full names, else all); permissions; events that the App subscribes to."""
    world = github.world
    account = world.account(given["login"])
    repo_ids = [world.repo(name).id for name in given.get("repos", [])]
    kept = world.installed_on(account.id)
    made = kept or Installation(world.new_id(), account.id)
    made.selection, made.repo_ids = ("selected", repo_ids) if repo_ids else ("all", [])
    made.permissions = dict(given.get("permissions") or FULL_PERMISSIONS)
    made.events = list(given.get("events", EVENTS))
    world.installations[made.id] = made
    return asdict(made)


def _let_of_accounts(github: Github, given: Arguments) -> Any:
    """permissions: what the App may on the accounts of the people who authorize it."""
    github.world.of_accounts = list(given["permissions"])
    return {"permissions": github.world.of_accounts}


def _uninstall(github: Github, given: Arguments) -> Any:
    found = _installed(github, given)
    del github.world.installations[found.id]
    return {"id": found.id, "tokens_ended": github.grants.revoke_where(installation_id=found.id)}


def _suspend(github: Github, given: Arguments) -> Any:
    """login; suspended (default true)."""
    found = _installed(github, given)
    found.suspended = bool(given.get("suspended", True))
    return asdict(found)


def _mint_token(github: Github, given: Arguments) -> Any:
    """login; kind: ghu (our App's), gho or ghp or github_pat (somebody else's); seconds; ours."""
    kind = given.get("kind", "ghu")
    seconds = given.get("seconds")
    expires_at = None if seconds is None else time.time() + seconds
    user = github.world.user(given["login"])
    return {"token": github.grants.issue(Token(kind, expires_at, user.id, ours=bool(given.get("ours", kind == "ghu"))))}


def _end_tokens(github: Github, given: Arguments) -> Any:
    """login: a person's tokens end, as when the person revokes the App; installation: an installation's."""
    if "login" in given:
        return {"ended": github.grants.revoke_where(user_id=github.world.user(given["login"]).id)}
    return {"ended": github.grants.revoke_where(installation_id=given["installation"])}


def _oidc_token(github: Github, given: Arguments) -> Any:
    """repo, login; claims."""
    repo, actor = github.world.repo(given["repo"]), github.world.user(given["login"])
    return {
        "token": oidc.mint(oidc.issuer_of(github.settings.web), github.world, repo, actor.id, given.get("claims", {}))
    }


def _start_run(github: Github, given: Arguments) -> Any:
    """repo, login; claims: a job with `id-token: write`; where it asks for tokens, and by what."""
    repo, actor = github.world.repo(given["repo"]), github.world.user(given["login"])
    request_token = secrets.token_urlsafe(40)
    github.runs[hash_of(request_token)] = Run(github.world.full_name(repo), actor.id, given.get("claims", {}))
    return {"url": oidc.request_url(github.settings.web), "token": request_token}


async def _webhook(github: Github, given: Arguments) -> Any:
    """event, payload; delivery, signature, url."""
    return await webhooks.deliver(github.settings, **given)


def _webhooks(github: Github, given: Arguments) -> Any:
    """manner: the fields of webhooks.Manner, for every change from now on that names none; None tells of none."""
    wanted = given["manner"]
    github.hooks.manner = None if wanted is None else webhooks.Manner(**wanted)
    return {"manner": wanted}


async def _release_webhooks(github: Github, given: Arguments) -> Any:
    """backwards: the last first."""
    return {"deliveries": await github.hooks.release(backwards=bool(given.get("backwards")))}


def _leave_team(github: Github, given: Arguments) -> Any:
    """org, login, repos: somebody leaves a team that gave a role on these repositories."""
    user = github.world.user(given["login"])
    for name in given["repos"]:
        github.world.repo(name).collaborators.pop(user.id, None)
    return {"id": user.id, "org": github.world.org(given["org"]).id}


def _take_from_team(github: Github, given: Arguments) -> Any:
    """repo, logins: a team of these people loses a repository."""
    repo = github.world.repo(given["repo"])
    for login in given["logins"]:
        repo.collaborators.pop(github.world.user(login).id, None)
    return {"id": repo.id}


def _fault(github: Github, given: Arguments) -> Any:
    """The fields of faults.Fault."""
    return {"number": github.faults.add(given)}


def _clear_faults(github: Github, _given: Arguments) -> Any:
    met = github.faults.met()
    github.faults.clear()
    return {"met": met}


def _login(github: Github, given: Arguments) -> Any:
    """role: one of the cast."""
    return {"login": github.world.users[github.world.cast[given["role"]]].login}


def _place(github: Github, given: Arguments) -> Any:
    """place: private, public, other or bare."""
    return _shown(github, github.world.repos[github.world.places[given["place"]]])


def _calls(github: Github, _given: Arguments) -> Any:
    return github.calls


def _reset_calls(github: Github, _given: Arguments) -> Any:
    seen = len(github.calls)
    github.calls.clear()
    return {"forgotten": seen}


_ACTIONS: Final[dict[str, Action | Callable[[Github, Arguments], Awaitable[Any]]]] = {
    "world": _world, "login": _login, "place": _place, "calls": _calls, "reset-calls": _reset_calls,
    "decide-device": _decide_device, "expire-devices": _expire_devices,
    "rest-device": _rest_device,
    "set-role": _set_role, "set-member": _set_member, "set-base-role": _set_base_role,
    "create-user": _create_user, "create-org": _create_org, "create-repo": _create_repo,
    "delete-repo": _delete_repo, "delete-user": _delete_user,
    "rename-repo": _rename_repo, "rename-account": _rename_account, "transfer-repo": _transfer_repo,
    "let-of-accounts": _let_of_accounts,
    "set-visibility": _set_visibility, "install": _install, "uninstall": _uninstall, "suspend": _suspend,
    "mint-token": _mint_token, "end-tokens": _end_tokens, "oidc-token": _oidc_token, "start-run": _start_run,
    "webhook": _webhook,
    "webhooks": _webhooks, "release-webhooks": _release_webhooks,
    "leave-team": _leave_team, "take-from-team": _take_from_team,
    "fault": _fault, "clear-faults": _clear_faults,
}  # fmt: skip


async def control(request: Request) -> Response:
    """/_control/{action}: GET for `world` and `calls`, POST with the action's arguments as JSON for the rest."""
    github = github_of(request)
    if not same(request.headers.get("x-control-token", ""), github.settings.control_token or ""):
        return JSONResponse({"message": "X-Control-Token is missing or wrong"}, 403)
    action = _ACTIONS.get(request.path_params["action"])
    if action is None:
        return JSONResponse({"message": f"actions are: {', '.join(_ACTIONS)}"}, 404)
    given = await request.json() if request.method == "POST" else {}
    manner = _manner(github, given.pop("webhook", None)) if request.path_params["action"] != "webhook" else None
    try:
        told = events.observe(request.path_params["action"], github, given) if manner else None
        result = action(github, given)
        done = await result if isinstance(result, Awaitable) else result
    except Missing:
        return JSONResponse({"message": "no such person, repository, organisation or code"}, 404)
    except (KeyError, TypeError, ValueError) as error:
        return JSONResponse({"message": f"wrong arguments: {error}"}, 400)
    github.keeper.changed()
    if told is not None and manner is not None:
        done["deliveries"] = await github.hooks.tell(told(), manner)
    return JSONResponse(done)


def _manner(github: Github, given: Any) -> webhooks.Manner | None:
    """`webhook` beside the arguments of any action: true, or the fields of webhooks.Manner; else the default."""
    if given is None:
        return github.hooks.manner
    return webhooks.Manner(**given) if isinstance(given, dict) else webhooks.Manner() if given else None


def _installed(github: Github, given: Arguments) -> Installation:
    found = github.world.installed_on(github.world.account(given["login"]).id)
    if found is None:
        raise Missing
    return found


ROUTES = [Route("/_control/{action}", control, methods=["GET", "POST"])]
