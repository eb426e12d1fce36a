"""The pages for people: the report in one file, and the live page. They read the ledger and decide nothing."""
