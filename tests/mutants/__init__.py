"""Mutation testing of the rooms that only compute: break one thing at a time, and see whether a test notices.

Own code because mutmut leaves out constants, defaults and properties, and its names for mutants change with the source:
here most of the faults that matter are a limit that is one too high, and there are thousands to try.
"""
