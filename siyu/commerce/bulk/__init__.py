"""Bulk: products, stock and orders in and out by the table (批量任务).

Owns tasks: an uploaded file or a wanted one, how far it is, and every refused line with its column
and a stable reason. Work is done by the worker, a chunk of lines per transaction together with the
place reached, so that a killed worker leaves nothing half and does nothing twice. Products are
known again by SKU code and only added to or changed, never retired; stock moves by the difference
of a count against the version it was counted at; orders are `ordering`'s own import of history,
all or nothing. A dry run does everything and takes it back.

Files are judged before they are read: size, archive bombs, XML with a document type. Calls down to
`catalog`, `inventory` and `ordering`; emits nothing of its own. Called by its lane and its job.
"""
