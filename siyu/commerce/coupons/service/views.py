"""Coupons as their owners see them: nothing of budgets and other people."""

from typing import Any

from siyu.commerce.coupons.contracts import (
    Batch,
    Coupon,
    CouponFace,
    CouponOfferView,
    CouponView,
    Offer,
)

_FACE = CouponFace.__struct_fields__
_OWN = tuple(field for field in CouponView.__struct_fields__ if field not in _FACE)


def face(batch: Batch) -> dict[str, Any]:
    """The fields of a `CouponFace`."""
    return {field: getattr(batch, field) for field in _FACE}


def show_coupon(coupon: Coupon) -> CouponView:
    """A coupon as its owner sees it."""
    return CouponView(**_fields(coupon))


def show_offer(offer: Offer) -> CouponOfferView:
    """A coupon as the chooser of the checkout shows it."""
    return CouponOfferView(
        **_fields(offer.coupon),
        saving_fen=offer.saving_fen,
        reason=offer.reason,
        short_fen=offer.short_fen,
    )


def _fields(coupon: Coupon) -> dict[str, Any]:
    return face(coupon.batch) | {field: getattr(coupon.claim, field) for field in _OWN}
