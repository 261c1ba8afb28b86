"""How the suite is collected: what of it begins first, and what collecting it costs, which every worker does anew.

A long file that begins last keeps one worker busy and the others waiting.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

import pytest

# What pytest makes of a test's source is kept from run to run, wherever else nothing compiled is.
sys.dont_write_bytecode = False
# What is imported now stays, and is not looked through for garbage again and again.
gc.disable()

LONG: Final = (
    "invariants/test_every_route.py",
    "contracts/test_contract.py",
    "invariants/test_schemathesis.py",
    "invariants/test_key_isolation.py",
    "invariants/test_nothing_torn.py",
    "invariants/test_privilege_growth.py",
    "invariants/test_fail_open.py",
    "invariants/test_leaks.py",
    "invariants/test_row_forgery.py",
    "invariants/test_no_outside.py",
    "invariants/test_fail_open_routes.py",
    "invariants/test_database_writer.py",
    "invariants/test_statement_counts.py",
    "backend/optional/test_services_that_hang.py",
    "backend/secrets/test_instance.py",
    "backend/webhooks/test_storm.py",
    "standalone/test_newcomer.py",
    "mcp/test_mcp_hostile.py",
    "cli/test_cli_every_command.py",
    "cli/test_cli_end_to_end.py",
    "cli/test_cli_manage.py",
    "cli/test_cli_keeping.py",
    "mcp/test_mcp_attacks.py",
    "mcp/test_mcp_tools.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, in this order; the dashboard's, each with a browser, after them; the rest as it was."""
    items.sort(key=_place)
    gc.freeze()
    gc.enable()


def _place(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0].removeprefix("tests/")
    if file in LONG:
        return LONG.index(file)
    return len(LONG) + (not file.startswith("dashboard/"))
