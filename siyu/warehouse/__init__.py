"""行为事件仓: every event of every shop, kept cheaply and asked quickly.

`engines` answers typed questions (specs) > `query` says what a question is and takes snapshots >
`compaction` turns sealed slots into Parquet files > `registry` knows what events are called and
which are taken > `tail` takes events in. One schema,
`warehouse`, one role, `siyu_warehouse`; the invariants W1-W10 stand in `docs/design/warehouse.md`.
Tenant rules do not apply here: a slot holds all shops, and every spec names its shop.
"""
