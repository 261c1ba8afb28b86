"""Every reach there is: to import this is to know them."""

from __future__ import annotations

from tests.contracts import reach_accounts as reach_accounts  # noqa: PLC0414 - known by being imported
from tests.contracts import reach_commerce as reach_commerce  # noqa: PLC0414
from tests.contracts import reach_insight as reach_insight  # noqa: PLC0414
from tests.contracts import reach_integrations as reach_integrations  # noqa: PLC0414
from tests.contracts import reach_people as reach_people  # noqa: PLC0414
from tests.contracts import reach_revisions as reach_revisions  # noqa: PLC0414
from tests.contracts import reach_secrets as reach_secrets  # noqa: PLC0414
from tests.contracts import reach_values as reach_values  # noqa: PLC0414
