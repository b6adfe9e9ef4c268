"""Diabetes prediction with an app of the legacy API."""
