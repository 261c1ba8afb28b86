"""Organisations, plans and Stripe."""

from __future__ import annotations

from typing import Any

from tests.contracts.reaches import reaches
from tests.contracts.scene import LABELS, Scene
from tests.oracle.wire import Call, send
from tests.standins.stripe import price_id

ORG = "/v1/orgs/{org}"
OFF = "billing off"
AWAY = "https://evil.example/"


def _at(scene: Scene, tail: str = "", org: str = "") -> str:
    return f"/v1/orgs/{org or scene.org}{tail}"


def _off(scene: Scene, tail: str) -> str:
    """The organisation on the installation where nothing is sold; it is connected there."""
    org = scene.off.full_name.partition("/")[0]
    answer = scene.off.post("/v1/orgs/connect", {"orgLogin": org})
    assert answer.status == 200, answer.body
    return f"/v1/orgs/{org}{tail}"


# organisations -------------------------------------------------------------------------------------------------------

reaches("GET /v1/orgs")(lambda scene: scene.get("/v1/orgs"))
CONNECT = "/v1/orgs/connect"


@reaches(f"POST {CONNECT}", "without the App")
def connect_without_app(scene: Scene) -> Call:
    """An organisation of the owner's that has no App."""
    login, _ = scene.github.org("bare", scene.home.admin)
    return scene.post(CONNECT, {"orgLogin": login})


reaches(f"POST {CONNECT}")(lambda scene: scene.post(CONNECT, {"orgLogin": scene.org}))
reaches(f"POST {CONNECT}", "in its trial")(lambda scene: scene.post(CONNECT, {"orgLogin": scene.trying()}))
reaches(f"POST {CONNECT}", "no login")(lambda scene: scene.post(CONNECT, {}))
reaches(f"POST {CONNECT}", "unknown organization")(lambda scene: scene.post(CONNECT, {"orgLogin": "nobody-at-all"}))
reaches(f"GET {ORG}", "as an owner")(lambda scene: scene.get(_at(scene)))
reaches(f"GET {ORG}", "as a member")(lambda scene: scene.get(_at(scene), scene.member))
reaches(f"GET {ORG}", "in its trial")(lambda scene: scene.get(_at(scene, org=scene.trying())))
for _tail in ("", "/members"):
    reaches(f"GET {ORG}{_tail}", "unknown organization")(
        lambda scene, tail=_tail: scene.get(_at(scene, tail, "nobody-at-all"))
    )
reaches(f"PUT {ORG}")(lambda scene: scene.call("PUT", _at(scene), LABELS))
reaches(f"PUT {ORG}", "name too long")(lambda scene: scene.call("PUT", _at(scene), {"displayName": "x" * 101}))
reaches(f"PUT {ORG}", "defaults of no meaning")(
    lambda scene: scene.call("PUT", _at(scene), {"defaultPermissions": {"nobody": {}}})
)
reaches(f"GET {ORG}/members")(lambda scene: scene.get(_at(scene, "/members")))
reaches(f"POST {ORG}/members/sync")(lambda scene: scene.post(_at(scene, "/members/sync")))


# plans of organisations ----------------------------------------------------------------------------------------------


def _order(scene: Scene, plan: str, **changed: Any) -> dict[str, Any]:
    return {"priceId": price_id(plan), "successUrl": scene.back, "cancelUrl": scene.back} | changed


def _orders(route: str, unpaid: Any, paid: Any, plan: str, wrong: str) -> None:
    """A checkout: what is bought, and what is refused. `unpaid`, `paid`: path and session of a buyer."""

    def ordered(case: str, buyer: Any, **changed: Any) -> None:
        def make(scene: Scene) -> Call:
            path, token = buyer(scene)
            return scene.post(path, _order(scene, plan, **changed), token)

        reaches(route, case)(make)

    ordered("", unpaid)
    ordered("no price", unpaid, priceId="")
    ordered(wrong, unpaid, priceId=price_id("pro") if plan == "team" else "price_of_nothing")
    ordered("subscribed already", paid)
    ordered("return elsewhere", unpaid, successUrl=AWAY)


_orders(
    f"POST {ORG}/billing/checkout",
    lambda scene: (_at(scene, "/billing/checkout", scene.unpaid), scene.token),
    lambda scene: (_at(scene, "/billing/checkout"), scene.token),
    "team",
    "price of a person's plan",
)
reaches(f"GET {ORG}/billing", "paid")(lambda scene: scene.get(_at(scene, "/billing")))
reaches(f"GET {ORG}/billing", "in its trial")(lambda scene: scene.get(_at(scene, "/billing", scene.trying())))
reaches(f"POST {ORG}/billing/portal")(
    lambda scene: scene.post(_at(scene, "/billing/portal"), {"returnUrl": scene.back})
)
reaches(f"POST {ORG}/billing/portal", "nothing bought")(
    lambda scene: scene.post(_at(scene, "/billing/portal", scene.company()), {"returnUrl": scene.back})
)
reaches(f"POST {ORG}/billing/portal", "return elsewhere")(
    lambda scene: scene.post(_at(scene, "/billing/portal"), {"returnUrl": AWAY})
)
reaches(f"GET {ORG}/trial", "none")(lambda scene: scene.get(_at(scene, "/trial", scene.untried())))
reaches(f"GET {ORG}/trial", "active")(lambda scene: scene.get(_at(scene, "/trial", scene.trying())))
reaches(f"GET {ORG}/trial", "converted")(lambda scene: scene.get(_at(scene, "/trial")))
START = f"POST {ORG}/trial/start"
reaches(START, "an empty object")(lambda scene: scene.post(_at(scene, "/trial/start", scene.untried()), {}))
reaches(START, "no body")(lambda scene: scene.post(_at(scene, "/trial/start", scene.untried())))
reaches(START, "used already")(lambda scene: scene.post(_at(scene, "/trial/start", scene.trying()), {}))
reaches(START, "paid already")(lambda scene: scene.post(_at(scene, "/trial/start"), {}))

reaches(f"GET {ORG}/billing", OFF, off=True)(lambda scene: scene.get(_off(scene, "/billing"), scene.off.token))
reaches(START, OFF, off=True)(lambda scene: scene.post(_off(scene, "/trial/start"), {}, scene.off.token))


def _back(scene: Scene) -> str:
    return f"{scene.off.stack.dashboard_url}/upgrade"


@reaches(f"POST {ORG}/billing/checkout", OFF, off=True)
def org_checkout_off(scene: Scene) -> Call:
    """Nothing is sold here."""
    body = _order(scene, "team", successUrl=_back(scene), cancelUrl=_back(scene))
    return scene.post(_off(scene, "/billing/checkout"), body, scene.off.token)


reaches(f"POST {ORG}/billing/portal", OFF, off=True)(
    lambda scene: scene.post(_off(scene, "/billing/portal"), {"returnUrl": _back(scene)}, scene.off.token)
)


# plans of people -----------------------------------------------------------------------------------------------------

BUY, MANAGE, HOOK = "/v1/billing/create-checkout-session", "/v1/billing/manage", "POST /v1/billing/webhook"
_orders(f"POST {BUY}", lambda scene: (BUY, scene.token), lambda scene: (BUY, scene.payer), "pro", "unknown price")


@reaches(f"POST {BUY}", OFF, off=True)
def checkout_off(scene: Scene) -> Call:
    """Nothing is sold here."""
    return scene.post(BUY, _order(scene, "pro", successUrl=_back(scene), cancelUrl=_back(scene)), scene.off.token)


PRICES, OWN = "/v1/billing/prices", "/v1/billing/subscription"
reaches(f"GET {PRICES}")(lambda _: Call("GET", PRICES))
reaches(f"GET {PRICES}", OFF, off=True)(lambda _: Call("GET", PRICES))
reaches(f"GET {OWN}", "nothing bought")(lambda scene: scene.get(OWN, scene.stranger))
reaches(f"GET {OWN}", "bought")(lambda scene: scene.get(OWN, scene.payer))
reaches(f"GET {OWN}", OFF, off=True)(lambda scene: scene.get(OWN, scene.off.token))
reaches(f"POST {MANAGE}")(lambda scene: scene.post(MANAGE, {"returnUrl": scene.back}, scene.payer))
reaches(f"POST {MANAGE}", "nothing bought")(lambda scene: scene.post(MANAGE, {"returnUrl": scene.back}, scene.stranger))
reaches(f"POST {MANAGE}", "return elsewhere")(lambda scene: scene.post(MANAGE, {"returnUrl": AWAY}, scene.payer))
reaches(f"POST {MANAGE}", OFF, off=True)(lambda scene: scene.post(MANAGE, {"returnUrl": _back(scene)}, scene.off.token))


# Stripe --------------------------------------------------------------------------------------------------------------


def _event(scene: Scene) -> bytes:
    return scene.stripe.event("customer.subscription.updated", scene.stripe.put({"keyway_user_id": "1"}, "pro"))


@reaches(HOOK, "the same event again")
def event_again(scene: Scene) -> Call:
    """It was taken already."""
    call = scene.delivery(_event(scene))
    assert send(scene.base, call).status == 200
    return call


reaches(HOOK)(lambda scene: scene.delivery(_event(scene)))
reaches(HOOK, "bad signature")(lambda scene: scene.delivery(_event(scene), "t=1,v1=00"))
reaches(HOOK, OFF, off=True)(lambda scene: scene.delivery(_event(scene)))
reaches(HOOK, "no signature")(
    lambda scene: Call("POST", "/v1/billing/webhook", (("Content-Type", "application/json"),), form=_event(scene))
)
