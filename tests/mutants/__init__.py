"""Mutation testing of the rooms that only compute: break one thing at a time, and see whether a test notices.

Own code because what there is (mutmut, cosmic-ray) leaves out constants, defaults and properties, or starts pytest for
each mutant: here most of the faults that matter are a limit that is one too high, and there are thousands to try.
"""
