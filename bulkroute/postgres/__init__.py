"""What several hosts share of a fleet, in PostgreSQL: who works on which tenant, copies of ledgers, rates. Only `--on` loads it."""
