"""Gifting (蓝包送礼): one member pays, another says where to.

Owns which products may be given, festival kits, gifts with their shares and their refunds, voice
greetings, and who looked at a gift. A gift is one paid order, delivery `gift`, of so many pieces of
one SKU; each piece is a share that one receiver may accept with an address of their own.

Always: a share is accepted or refunded, never both; it is accepted within 24 hours of the payment
by the database's clock, else its money goes back; nobody takes two shares of a gift, the giver
none; no table, event or answer here holds where a gift goes, so the giver cannot learn it. What
costs more than the cap, or stands in an excluded category, can be neither marked nor given.

Orders are placed and refunded by calling `ordering`; parcels are asked of `fulfilment`. Emits
`gifting.gift_opened`, `gift_accepted`, `gift_expired`, `gift_refunded`, `gift_swapped`,
`gift_received`, `gift_returned`. Hears what becomes of its orders (`app/event_map.py`).
"""
