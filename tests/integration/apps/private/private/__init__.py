"""Differential privacy in four places."""
