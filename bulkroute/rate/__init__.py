"""How fast calls may start: the pace asked for, what the service allows, and backoff. Imports nothing of bulkroute."""
