"""Secure aggregation with SecAgg+."""
