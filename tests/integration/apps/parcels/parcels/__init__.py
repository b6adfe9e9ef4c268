"""Sends every kind of content there and back."""
