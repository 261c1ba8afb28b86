"""CI access: rules for workflow runs, the workflow to copy, and the README's badge."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from keyway_dashboard.backend import Conflict, Invalid, Missing
from keyway_dashboard.features.badge.routes import badge_of
from keyway_dashboard.features.ci import models
from keyway_dashboard.features.ci.models import Rule
from keyway_dashboard.features.vaults.models import Vault
from keyway_dashboard.features.vaults.place import of, url
from keyway_dashboard.visits import Visit, get, post

_PAGE = "/vaults/{owner}/{name}/ci"


async def show(visit: Visit) -> Response:
    """What runs may read, by environment, and the workflow for the one that `environment` names."""
    vault, rules = await asyncio.gather(visit.api.get(of(visit), Vault), visit.api.all(of(visit, "oidc-rules"), Rule))
    gates = models.gates(vault.environmentDetails, rules)
    names = [one.name for one in vault.environmentDetails]
    first = next((gate.environment.name for gate in gates if not gate.is_shut), names[0] if names else "")
    chosen = visit.query("environment")
    return visit.page(
        "ci/page",
        vault=vault,
        gates=gates,
        chosen=chosen if chosen in names else first,
        api_url=visit.services.settings.api_url,
        badge=badge_of(visit, vault),
    )


async def add(visit: Visit) -> Response:
    """The form for a rule; the environment may be given in the address."""
    vault = await visit.api.get(of(visit), Vault)
    return visit.page("ci/add", vault=vault, environment=visit.query("environment"))


async def create(visit: Visit) -> Response:
    """A rule. What is wrong with it is told beside the form, which stays."""
    form = {name: value for name, value in (await visit.form()).items() if isinstance(value, str)}
    try:
        made = await visit.api.post(of(visit, "oidc-rules"), Rule, models.body(form))
    except Invalid as error:
        return visit.part("ci/outcome", problems=models.problems(error))
    except Conflict as error:
        return visit.part("ci/outcome", problems=[error.detail])
    return visit.go(url(visit, "ci"), f"Runs that fit the rule may read {made.environment}.")


async def remove(visit: Visit) -> Response:
    """Takes a rule away; one that went meanwhile is gone all the same."""
    try:
        await visit.api.delete(of(visit, "oidc-rules", visit.step("id")))
    except Missing:
        return visit.go(url(visit, "ci"), "The rule had been removed already.")
    return visit.go(url(visit, "ci"), "The rule was removed; tokens that came from it have ended.")


ROUTES = [
    get(_PAGE, show),
    get(f"{_PAGE}/new", add),
    post(f"{_PAGE}/new", create),
    post(f"{_PAGE}/{{id}}/remove", remove),
]
