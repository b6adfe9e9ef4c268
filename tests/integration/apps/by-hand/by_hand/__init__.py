"""Pushes and pulls by hand."""
