"""Benchmarks: how long a round takes, what it writes and what it keeps in memory, next to Flower's own engine.

Run with ``python -m benchmarks.run``; needs Linux (it reads ``/proc``). See docs/benchmarks.md.
"""
