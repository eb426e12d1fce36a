"""What a person sees: messages and progress on stderr, results on stdout. Decides nothing.

On a terminal the progress is drawn; elsewhere there is one plain line now and then, and never an escape code.
"""
