"""An app of the legacy API."""
