"""Every page, by noun. A new feature adds its routes here."""

from __future__ import annotations

from keyway_dashboard.features.secrets.routes import ROUTES as SECRETS
from keyway_dashboard.features.settings.routes import ROUTES as SETTINGS
from keyway_dashboard.features.sign_in.routes import ROUTES as SIGN_IN
from keyway_dashboard.features.vaults.routes import ROUTES as VAULTS
from keyway_dashboard.features.welcome.routes import ROUTES as WELCOME

ROUTES = [*WELCOME, *SIGN_IN, *VAULTS, *SECRETS, *SETTINGS]
