"""合规: what may be said and done (rulebook), and who signed it off (approvals)."""
