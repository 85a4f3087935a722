"""Inventory: how many of each SKU there are, where, and for whom they are kept.

Owns `warehouses`, `items` (what the merchant decides about a SKU: pieces that are never sold, how
it is sold in a rush, how many one buyer may have), `stock` (on hand and reserved per SKU and
warehouse), living `reservations`, and the append-only `movements`. It knows a SKU by its id and the
number of its product, never by name.

Always, in each warehouse: 0 <= reserved <= on hand; reserved is the sum of the living reservations;
on hand is the sum of the movements. A reservation ends exactly once, released or consumed. It never
ends by itself: `until` says when its owner ought to decide, for only it knows of a payment on its
way. Pieces are promised from open warehouses only, the first in priority first.

Stock is the row everybody wants: call `reserve` last in the transaction. Emits no events.
Called by `catalog` (new SKUs, goods received, what is available) and `ordering`.
"""
