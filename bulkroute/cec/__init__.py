"""The vendor: what goes over the wire, tokens, and what an answer means."""
