"""Exactly-once messages over an at-least-once store."""
