"""Federated analytics with actions of its own."""
