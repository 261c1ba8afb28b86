"""Billing of people and of organisations, trials, Stripe's deliveries (contract.md 4.9 and 4.11)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from keyway_backend.access.actor import Scope
from keyway_backend.access.grants import OrgGrant, PersonGrant
from keyway_backend.access.guards import OrgGuard, PersonGuard, Right
from keyway_backend.access.routing import GuardedRoute, public
from keyway_backend.features.billing import schemas
from keyway_backend.features.billing.deliveries import Deliveries
from keyway_backend.features.billing.service import Billing
from keyway_backend.platform.bodies import json_body
from keyway_backend.platform.http import body, ok
from keyway_backend.platform.parsing import parsed

Person = Annotated[PersonGrant, Depends(PersonGuard(Scope.SESSION))]
Member = Annotated[OrgGrant, Depends(OrgGuard(Right.ORG_MEMBER))]
Owner = Annotated[OrgGrant, Depends(OrgGuard(Right.ORG_ADMIN))]

_ADDRESS: dict[int | str, dict[str, Any]] = {200: {"model": schemas.AddressAnswer}}


def _body(shape: type[Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": shape.model_json_schema()}}}}


def routers(billing: Billing, deliveries: Deliveries) -> tuple[APIRouter, ...]:
    """The routes of billing."""
    people = APIRouter(prefix="/v1/billing", route_class=GuardedRoute, tags=["billing"])
    teams = APIRouter(prefix="/v1/orgs/{org}", route_class=GuardedRoute, tags=["billing"])
    _people(people, billing)
    _deliveries(people, deliveries)
    _organizations(teams, billing)
    _trials(teams, billing)
    return people, teams


def _people(routes: APIRouter, billing: Billing) -> None:
    @routes.get("/prices", dependencies=[public()], responses={200: {"model": schemas.PriceListAnswer}})
    async def show_prices(request: Request) -> Response:
        """What plans cost."""
        return ok(request, await billing.prices())

    @routes.get("/subscription", responses={200: {"model": schemas.OwnSubscriptionAnswer}})
    async def show_subscription(request: Request, grant: Person) -> Response:
        """What the caller has."""
        return ok(request, await billing.subscription(grant))

    @routes.post("/create-checkout-session", responses=_ADDRESS, openapi_extra=_body(schemas.CheckoutBody))
    async def start_checkout(request: Request, grant: Person) -> Response:
        """Where the caller buys a plan."""
        sent = parsed(schemas.CheckoutBody, await json_body(request))
        return ok(request, await billing.checkout(grant, sent.priceId, (sent.successUrl, sent.cancelUrl)))

    @routes.post("/manage", responses=_ADDRESS, openapi_extra=_body(schemas.PortalBody))
    async def open_portal(request: Request, grant: Person) -> Response:
        """Where the caller manages what was bought."""
        sent = parsed(schemas.PortalBody, await json_body(request))
        return ok(request, await billing.portal(grant, sent.returnUrl))


def _deliveries(routes: APIRouter, deliveries: Deliveries) -> None:
    answers: dict[int | str, dict[str, Any]] = {
        200: {"model": schemas.Received},
        403: {"description": "The signature is not Stripe's, or too old"},
    }

    signed = {"name": "stripe-signature", "in": "header", "required": True, "schema": {"type": "string"}}
    event = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    described = {"parameters": [signed], "requestBody": event}

    @routes.post("/webhook", dependencies=[public()], responses=answers, openapi_extra=described)
    async def receive_delivery(request: Request) -> Response:
        """An event of Stripe's, signed over its raw bytes."""
        await deliveries.receive(await request.body(), request.headers.get("stripe-signature"))
        return body({"received": True})


def _organizations(routes: APIRouter, billing: Billing) -> None:
    @routes.get("/billing", responses={200: {"model": schemas.OrganizationBillingAnswer}})
    async def show_organization_billing(request: Request, grant: Member) -> Response:
        """What the organisation has, and what plans cost."""
        return ok(request, await billing.of_organization(grant))

    @routes.post("/billing/checkout", responses=_ADDRESS, openapi_extra=_body(schemas.CheckoutBody))
    async def start_organization_checkout(request: Request, grant: Owner) -> Response:
        """Where an owner buys a plan for the organisation."""
        sent = parsed(schemas.CheckoutBody, await json_body(request))
        urls = (sent.successUrl, sent.cancelUrl)
        return ok(request, await billing.checkout_organization(grant, sent.priceId, urls))

    @routes.post("/billing/portal", responses=_ADDRESS, openapi_extra=_body(schemas.PortalBody))
    async def open_organization_portal(request: Request, grant: Owner) -> Response:
        """Where an owner manages what was bought for the organisation."""
        sent = parsed(schemas.PortalBody, await json_body(request))
        return ok(request, await billing.portal_organization(grant, sent.returnUrl))


def _trials(routes: APIRouter, billing: Billing) -> None:
    @routes.get("/trial", responses={200: {"model": schemas.TrialAnswer}})
    async def show_trial(request: Request, grant: Member) -> Response:
        """How the organisation's trial stands."""
        return ok(request, await billing.trial(grant))

    @routes.post("/trial/start", responses={200: {"model": schemas.TrialStartedAnswer}})
    async def start_trial(request: Request, grant: Owner) -> Response:
        """Begins the organisation's one trial."""
        return ok(request, await billing.start_trial(grant))
