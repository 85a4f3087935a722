"""The lanes of merchant and people, for tests that speak HTTP."""

from tests.merchant.lanes import lanes, wechat

__all__ = ["lanes", "wechat"]
