"""触达: the one way to reach a person, and how much of their attention a shop may ask for.

Owns templates with their versions, messages to one and to many, what the platform lets us send
(grants), who is left alone (blocks), and one ledger of attention per person over all channels.
Always holds: nothing is sent without consent, asked at plan and again at the call; a message has
its own number before it is called and is never called again under another; a place of a day that
was reserved is spent or released, once; what is not sent says why. Advertising is capped, quiet at
night and held out from part of the people for good; what is owed to a person (their order, their
money, their gift) is not. Emits `outreach.sent`, `outreach.answered`, `outreach.unsubscribed` and
`outreach.complained`. Called by whoever has something to say to people.
"""
