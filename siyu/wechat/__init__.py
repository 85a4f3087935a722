"""微信接口: how siyu speaks with WeChat, and how it understands what WeChat sends.

WeChat's own words (`openid`, `out_trade_no`) live inside this group only. `transport` is the wire:
signatures, sealing, calls. `pay` and `mini_program` are thin clients on top of it.
"""
