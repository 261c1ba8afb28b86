"""Every page, by noun. A new feature adds its routes here."""

from __future__ import annotations

from keyway_dashboard.features.activity.routes import ROUTES as ACTIVITY
from keyway_dashboard.features.api_keys.routes import ROUTES as API_KEYS
from keyway_dashboard.features.assistants.routes import ROUTES as ASSISTANTS
from keyway_dashboard.features.badge.routes import ROUTES as BADGE
from keyway_dashboard.features.ci.routes import ROUTES as CI
from keyway_dashboard.features.environments.routes import ROUTES as ENVIRONMENTS
from keyway_dashboard.features.exposure.routes import ROUTES as EXPOSURE
from keyway_dashboard.features.history.routes import ROUTES as HISTORY
from keyway_dashboard.features.organizations.routes import ROUTES as ORGANIZATIONS
from keyway_dashboard.features.permissions.routes import ROUTES as PERMISSIONS
from keyway_dashboard.features.secrets.routes import ROUTES as SECRETS
from keyway_dashboard.features.security.routes import ROUTES as SECURITY
from keyway_dashboard.features.settings.routes import ROUTES as SETTINGS
from keyway_dashboard.features.sign_in.routes import ROUTES as SIGN_IN
from keyway_dashboard.features.syncs.routes import ROUTES as SYNCS
from keyway_dashboard.features.trash.routes import ROUTES as TRASH
from keyway_dashboard.features.vaults.routes import ROUTES as VAULTS
from keyway_dashboard.features.versions.routes import ROUTES as VERSIONS
from keyway_dashboard.features.welcome.routes import ROUTES as WELCOME

ROUTES = [
    *WELCOME,
    *SIGN_IN,
    *VAULTS,
    *ACTIVITY,
    *API_KEYS,
    *BADGE,
    *CI,
    *ENVIRONMENTS,
    *HISTORY,
    *PERMISSIONS,
    *SYNCS,
    *TRASH,
    *VERSIONS,
    *SECRETS,
    *SETTINGS,
    *SECURITY,
    *EXPOSURE,
    *ORGANIZATIONS,
    *ASSISTANTS,
]
