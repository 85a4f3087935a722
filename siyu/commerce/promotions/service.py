"""The one verb of pricing; see `rules.price`."""

from siyu.commerce.promotions.rules import LIST_PRICE, STANDARD_RULES, price

__all__ = ["LIST_PRICE", "STANDARD_RULES", "price"]
