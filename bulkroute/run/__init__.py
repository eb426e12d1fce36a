"""One run: what is to be sent, how it gets out, and when it ends."""
