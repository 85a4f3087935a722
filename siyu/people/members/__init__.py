"""Members: who a shop's customers are.

A *person* is whoever the shop has seen: a browser that only looked, a member, a name from imported
history. Persons carry a number that is dense within the shop (1, 2, 3 …): the warehouse counts by
it. A *member* is a record of a person with an account; a *login* and an *identifier* (phone, store
card, unionid …) tie what the outside knows somebody by to one record. A *merge* says that two
records are one person; the earliest record of those that merges tie together stands for them, and
an undone merge leaves no trace but its history (docs/design/identity.md).
Always holds: one identifier, one record, one person; numbers have no gaps, for they are handed out
under a row lock per shop, which every merge holds too; what identifies is sealed, and found by a
keyed hash; a merged visitor keeps pointing at the person it became.
Emits `members.member_joined`, `members.member_imported`, `members.member_logged_in`,
`members.person_joined`, `members.phone_given`, `members.merge_proposed`, `members.members_merged`,
`members.merge_undone`, `members.members_tagged`. Called by consents, behaviour, money and trade.
"""
