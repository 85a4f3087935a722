"""Members: who a shop's customers are.

A *person* is whoever the shop has seen: a browser that only looked, a member, a name from imported
history. Persons carry a number that is dense within the shop (1, 2, 3 …): the warehouse counts by
it. A *member* is a person who has logged in; a *login* ties an id of an outside app to the member.
Always holds: one login, one member, one person; numbers have no gaps, for they are handed out under
a row lock per shop; phone and address are sealed, and found by a keyed hash; a merged visitor keeps
pointing at the person it became.
Emits `members.member_joined`, `members.member_logged_in`, `members.person_joined`,
`members.phone_given`. Called by consents, collection of behaviour, ordering and payments.
"""
