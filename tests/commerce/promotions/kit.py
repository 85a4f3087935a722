"""Names and small builders for the tests of prices."""

from typing import Any
from uuid import UUID

from siyu.commerce.promotions.contracts import (
    ADDS,
    BEST,
    Buyer,
    CampaignRule,
    ChargeBy,
    CouponGives,
    CouponOff,
    Cut,
    PriceLine,
    ShippingArea,
    ShippingPlan,
    ShippingRate,
    ShippingTemplate,
    Target,
    Terms,
    Threshold,
    Tier,
    TimedPrice,
)

TEA, CUP, POT = UUID(int=1), UUID(int=2), UUID(int=3)
TEAS, GREEN, WARE = UUID(int=11), UUID(int=12), UUID(int=13)  # categories; GREEN is below TEAS
TEA_PRODUCT, CUP_PRODUCT = UUID(int=21), UUID(int=22)
SALE, PARTY, THIRD = UUID(int=31), UUID(int=32), UUID(int=33)
GIFT = UUID(int=41)
VIP, GUEST = Buyer(pays_member_price=True), Buyer(pays_member_price=False)


def tea(
    fen: int = 10_000, quantity: int = 1, member_fen: int | None = None, **more: Any
) -> PriceLine:
    return PriceLine(TEA, quantity, fen, member_fen, TEA_PRODUCT, (GREEN, TEAS), **more)


def cup(
    fen: int = 5_000, quantity: int = 1, member_fen: int | None = None, **more: Any
) -> PriceLine:
    return PriceLine(CUP, quantity, fen, member_fen, CUP_PRODUCT, (WARE,), **more)


def campaign(terms: Terms, campaign_id: UUID = PARTY, **more: Any) -> CampaignRule:
    usual = BEST if isinstance(terms, TimedPrice) else ADDS
    return CampaignRule(
        campaign_id=campaign_id, label="活动", terms=terms, **({"group": usual} | more)
    )


def timed(campaign_id: UUID = SALE, **more: Any) -> CampaignRule:
    """限时折扣 at 8 折 for tea."""
    return campaign(TimedPrice([Cut(Target.SKU, TEA, pay_bps=8_000)]), campaign_id, **more)


def off(at: int, off_fen: int, campaign_id: UUID = PARTY, **more: Any) -> CampaignRule:
    """满减"""
    return campaign(Threshold([Tier(at, off_fen)]), campaign_id, **more)


def coupon(gives: CouponGives, number: int = 51, **more: Any) -> CouponOff:
    return CouponOff(
        claim_id=UUID(int=number), coupon_id=UUID(int=61), label="券", gives=gives, **more
    )


def plan(
    rate: ShippingRate | None, by: ChargeBy = ChargeBy.FLAT, *areas: ShippingArea
) -> ShippingPlan:
    return ShippingPlan(by, rate, list(areas))


def flat(rate: ShippingRate, number: int = 71) -> ShippingTemplate:
    return ShippingTemplate(UUID(int=number), "快递", plan(rate))
