"""Bytes and rules without I/O: names, headers, bodies, states."""
