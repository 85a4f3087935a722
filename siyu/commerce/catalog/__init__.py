"""Catalogue: what the shop offers, and how it is shown.

Owns categories (a tree of two floors), products with SKUs and pictures, the golden triangle of the
home page (爆品 hot, 套餐 bundles, 活动 activities) and banners. A product has a random public id,
and a small number, dense per shop, for the warehouse.

Always: a product on the shelf has a SKU and a picture; member price <= price <= market price; rich
text is sanitised when written and when shown; pictures are re-encoded, never the uploaded bytes.
Removed SKUs are retired, not deleted, for orders still name them.

Emits no events. Hears `ordering.order_paid` to count what sold. `ordering` calls `load_for_sale`.
Stands above `inventory`: tells it of new SKUs, and asks it what is available.
"""
