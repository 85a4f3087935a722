"""The registry: which events a shop has, what they and their properties mean, what is not taken.

Owns `warehouse.event_type` and `event_property`. Names of the program's own events are described
by the catalogue in `rules`; `custom.*` names and all properties register themselves as they come,
within limits. A blocked event is dropped and counted, a property with a declared type refuses
other values; a hidden one is only out of sight. Emits nothing; called by `insight/behaviour`
(`check`) and by the compactor (`study`).
"""
