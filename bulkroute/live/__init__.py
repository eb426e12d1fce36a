"""Live bindings: read page by page, held against a manifest or a ledger, and put back. Nothing here changes a route."""
