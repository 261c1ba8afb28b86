"""Actions and sources in words. Names are those of the wire (contract.md 4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """An action: `did` follows the person's name, `{key}` and `{count}` are what it was done to."""

    label: str
    did: str
    icon: str
    many: str = ""


@dataclass(frozen=True)
class Source:
    """A way in. `asked` is what the backend is asked for."""

    label: str
    icon: str
    asked: dict[str, str]


GROUPS: Final[dict[str, dict[str, Kind]]] = {
    "Reading": {
        "secrets_pulled": Kind("Pulled secrets", "pulled", "download", "pulled {count}"),
        "secret_value_accessed": Kind("Looked at a value", "looked at", "eye"),
        "secret_version_value_accessed": Kind("Looked at an older value", "looked at an older value of", "eye"),
        "environments_compared": Kind("Compared environments", "compared environments", "diff"),
        "secret_digests_issued": Kind("Scanned for values", "took digests for a scan", "search"),
        "ci_token_issued": Kind("Workflow let in", "let a workflow in", "workflow"),
    },
    "Secrets": {
        "secrets_pushed": Kind("Pushed secrets", "pushed", "upload", "pushed {count}"),
        "secret_created": Kind("Added a secret", "added", "plus"),
        "secret_updated": Kind("Changed a secret", "changed", "pencil"),
        "secret_deleted": Kind("Deleted a secret", "deleted", "trash-2"),
        "secret_rotated": Kind("Rotated a secret", "rotated", "refresh-cw"),
        "secret_trashed": Kind("Moved to the trash", "moved to the trash", "trash-2"),
        "secret_restored": Kind("Restored from the trash", "restored from the trash", "undo-2"),
        "secret_permanently_deleted": Kind(
            "Deleted for good", "deleted for good", "trash-2", "deleted {count} for good"
        ),
        "secret_version_restored": Kind("Restored a version", "restored an older version of", "rotate-ccw"),
        "secret_version_purged": Kind("Purged a version", "purged a version of", "trash-2"),
        "secret_copied": Kind("Copied a secret", "copied", "copy-plus"),
        "environment_copied": Kind("Copied an environment", "copied an environment", "copy-plus", "copied {count}"),
        "environment_rolled_back": Kind("Rolled back", "rolled back", "rotate-ccw", "rolled back {count}"),
        "secrets_synced": Kind("Synced with a provider", "synced with a provider", "refresh-cw"),
    },
    "Vaults and rights": {
        "vault_created": Kind("Made a vault", "made the vault", "folder-git-2"),
        "vault_deleted": Kind("Deleted a vault", "deleted the vault", "trash-2"),
        "environment_created": Kind("Made an environment", "made the environment", "layers"),
        "environment_renamed": Kind("Renamed an environment", "renamed an environment", "pencil"),
        "environment_deleted": Kind("Deleted an environment", "deleted an environment", "trash-2"),
        "environment_type_changed": Kind("Changed a type", "changed the type of", "shield"),
        "permission_changed": Kind("Changed rights", "changed who may do what", "users"),
        "ci_rule_created": Kind("Added a rule for workflows", "added a rule for workflows", "workflow"),
        "ci_rule_changed": Kind("Changed a rule for workflows", "changed a rule for workflows", "workflow"),
        "ci_rule_deleted": Kind("Deleted a rule for workflows", "deleted a rule for workflows", "workflow"),
        "exposure_ticked": Kind("Ticked off exposure", "ticked off as rotated", "check"),
        "exposure_unticked": Kind("Took a tick back", "took the tick back from", "undo-2"),
        "sync_linked": Kind("Linked a sync", "linked a sync", "link"),
        "vcs_app_installed": Kind("App installed", "installed the GitHub App", "plug"),
        "vcs_app_uninstalled": Kind("App uninstalled", "uninstalled the GitHub App", "unplug"),
    },
    "Account": {
        "user_login": Kind("Signed in", "signed in", "user"),
        "user_logout": Kind("Signed out", "signed out", "log-out"),
        "session_started": Kind("Session started", "started a session", "monitor"),
        "session_revoked": Kind("Session ended", "ended a session", "log-out"),
        "api_key_created": Kind("Made an API key", "made an API key", "key-round"),
        "api_key_revoked": Kind("Revoked an API key", "revoked an API key", "key-round"),
        "integration_connected": Kind("Connected a provider", "connected a provider", "plug"),
        "integration_disconnected": Kind("Disconnected a provider", "disconnected a provider", "unplug"),
    },
    "Organisations": {
        "org_connected": Kind("Connected an organisation", "connected an organisation", "building-2"),
        "org_settings_changed": Kind("Changed its settings", "changed an organisation's settings", "settings"),
        "org_members_synced": Kind("Read its members again", "read an organisation's members again", "users"),
        "plan_upgraded": Kind("Plan upgraded", "upgraded the plan", "credit-card"),
        "plan_downgraded": Kind("Plan downgraded", "downgraded the plan", "credit-card"),
        "org_trial_started": Kind("Trial started", "started a trial", "clock"),
        "org_trial_expired": Kind("Trial ended", "saw a trial end", "clock"),
        "org_trial_converted": Kind("Trial converted", "went on after a trial", "clock"),
    },
}
KINDS: Final = {name: kind for kinds in GROUPS.values() for name, kind in kinds.items()}
# A newer backend may tell of what we do not know yet.
UNKNOWN: Final = Kind("Something else", "did something new", "activity")

SOURCES: Final = {
    "cli": Source("Command line", "terminal", {"source": "cli", "platform": "cli"}),
    "browser": Source("Browser", "globe", {"source": "cli", "platform": "web"}),
    "assistant": Source("Assistant", "bot", {"source": "mcp"}),
    "key": Source("API key", "key-round", {"source": "api_key"}),
    "workflow": Source("Workflow", "workflow", {"source": "ci"}),
    "github": Source("GitHub", "git-branch", {"source": "webhook"}),
    "program": Source("Another program", "square-terminal", {"source": "cli", "platform": "api"}),
}
OTHER: Final = Source("Keyway itself", "box", {})


def source_of(source: str, platform: str) -> Source:
    """How somebody came. Without a source, which only vaults' lists tell, by the program alone."""
    if not source:
        source = "mcp" if platform == "mcp" else "cli"
    told = {"source": source, "platform": platform}
    fits = (one for one in SOURCES.values() if one.asked.items() <= told.items())
    return next(fits, OTHER)


# How the security pages call the sources of the wire.
SOURCE_LABELS: Final = {
    "cli": "Command line and others", "mcp": "Assistants", "api_key": "API keys", "ci": "Workflows",
    "webhook": "GitHub",
}  # fmt: skip
