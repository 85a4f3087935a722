"""The tail: where events arrive, and the books about them.

Owns `warehouse.slot`, `event_tail` (one partition per slot), `batch`, the dictionaries and the
outbox cursor. A batch is written in one transaction and its commit is the acknowledgement; the
same (source, batch_key) a second time changes nothing. A sealed slot never changes again.
Nothing is emitted. Called by `insight/behaviour` (collect), the worker (outbox, sealing) and, from
above in this group, `compaction` and `query`.
"""
