"""`kill -9` of web, worker and postmaster during checkouts (being written by the kills helper)."""
