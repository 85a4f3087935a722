"""Verbs of pricing."""

from siyu.commerce.promotions.queries import CampaignDraft
from siyu.commerce.promotions.rules import STANDARD_RULES, covers
from siyu.commerce.promotions.service.campaigns import (
    create_campaign,
    edit_campaign,
    end_campaign,
    get_campaign,
    load_names,
    note_simulation,
    pause_campaign,
    remove_campaign,
    start_campaign,
)
from siyu.commerce.promotions.service.labels import Label, list_labels, price_line
from siyu.commerce.promotions.service.loading import load_draft, load_pricing, load_simulation
from siyu.commerce.promotions.service.pricing import LIST_PRICE, price
from siyu.commerce.promotions.service.shipping import (
    assign_products,
    remove_template,
    save_settings,
    save_template,
)
from siyu.commerce.promotions.service.simulating import CouponTrial, simulate
from siyu.commerce.promotions.service.wording import word_trace

__all__ = [
    "LIST_PRICE", "STANDARD_RULES", "CampaignDraft", "CouponTrial", "Label", "assign_products",
    "covers",
    "create_campaign", "edit_campaign", "end_campaign", "get_campaign", "list_labels",
    "load_draft", "load_names", "load_pricing", "load_simulation", "note_simulation",
    "pause_campaign", "price", "price_line", "remove_campaign", "remove_template",
    "save_settings", "save_template", "simulate", "start_campaign", "word_trace",
]  # fmt: skip
