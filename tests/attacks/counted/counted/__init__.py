"""Federated averaging whose every execution leaves a line outside, and whose result is exact."""
