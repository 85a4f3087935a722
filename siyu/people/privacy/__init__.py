"""The data of a person: seen, taken along, erased, kept no longer than needed.

Each domain says beside its `schema.sql`, in `data_map.toml`, whose data its tables hold, what for,
how long, and what an erasure does to them; every column is listed, so a new one fails the build
until somebody has thought about it (F091). This domain reads those maps and does what they say, in
one place: the archive of a person, the erasure with its report, what stands in its way, and the
nightly retention. A domain with files or rules of its own also reacts to `PersonErased`.
Always holds: an erasure waits seven days and can be called off; it is carried out within fifteen
days or says what stands in the way; what stays is named with the law that asks for it; every look
at personal data has a name and a reason; behaviour goes with the consent to statistics, a visitor's
at their word. Emits `privacy.erasure_asked`, `privacy.erasure_ended`, `privacy.person_erased`,
`privacy.behaviour_forgotten`, `privacy.visitor_forgotten`.
"""
