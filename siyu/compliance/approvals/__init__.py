"""Approvals: author, editor, legal — each signs the exact content before it goes out (mission 79).

A case holds one content; each sign-off names its SHA-256, so another word needs another chain.
Always holds: sign-offs are never changed or deleted; steps come in order; whoever signed a step
does not sign the next one, and on the strict path (politics, medicine, finance) three persons sign;
a refusal ends the chain. A signed override of a rule is granted by the last signature.
An export of many rows about people waits for one other person, and is made once (F084).
Emits `approvals.case_opened`, `approvals.case_decided`. Called by whoever publishes texts that
need a sign-off: `must_be_signed`, and by exports: `ask_export`.
"""
