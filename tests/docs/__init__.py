"""What makes the reference pages from the code, and what holds every page to it.

`python -m tests.docs` (`make docs`) writes the marked blocks anew; tests/unit/test_docs_*.py fail if one is stale, if a
link leads nowhere or if a page names a file or flag that does not exist; tests/flow/test_docs_*.py run the commands.
"""
