"""The ledger: rows, attempts and runs in one SQLite file. The only room that knows their SQL."""
