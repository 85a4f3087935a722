"""Reviews: what buyers say of goods they have received, with pictures.

Owns reviews (one per order line, or per piece of a gift), their later additions (追评), pictures,
helpful votes, the merchant's answers, and each product's figures. Only the buyer of a completed
line of our own can say something, of a gift whoever `gifting` says received it; imported history
never makes a review, and nobody can write one for somebody else. What is shown was let through: at
once where the shop says so and no listed word stands in it, else by staff. What is hidden stays
visible to its author with the reason; earlier words stay in the story. A product's figures are
those of its shown reviews, exactly, at every commit. Reuse as content needs the author's consent,
which can be taken back at any time.

Emits ReviewSubmitted, ReviewApproved, ReviewHidden, ReviewReuseChanged. Asks `ordering` what was
received. Called by its lanes; `forget_member` by whoever erases a person.
"""
