"""The fields that we read from Stripe, and no others."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field

Period = Literal["month", "year"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Price(_Answer):
    """What something costs. `amount` is in the currency's smallest unit."""

    id: str
    lookup_key: str | None = None
    amount: int | None = Field(None, alias="unit_amount")
    currency: str = ""
    interval: str | None = Field(None, validation_alias=AliasPath("recurring", "interval"))


class _Item(_Answer):
    price: Price
    current_period_end: int | None = None


class _Items(_Answer):
    data: list[_Item] = Field(default_factory=list)


class Subscription(_Answer):
    """A subscription as it is now. The end of its period stands at the item, in older versions of the API above it."""

    id: str
    status: str
    customer: str
    cancel_at_period_end: bool = False
    metadata: dict[str, str] = Field(default_factory=dict)
    items: _Items = Field(default_factory=_Items)
    period_end: int | None = Field(None, alias="current_period_end")

    @property
    def price(self) -> Price | None:
        """What is paid."""
        return self.items.data[0].price if self.items.data else None

    @property
    def ends(self) -> int | None:
        """When the paid period ends, in Unix seconds."""
        there = self.items.data[0].current_period_end if self.items.data else None
        return there or self.period_end


class StripeEvent(_Answer):
    """A delivery whose signature is good. `content` is the object that it is about."""

    id: str
    type: str
    content: dict[str, Any] = Field(validation_alias=AliasPath("data", "object"))
