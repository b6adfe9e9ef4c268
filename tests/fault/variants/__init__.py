"""Apps that a run must survive with: of the legacy API, with secure aggregation, with messages pushed by hand."""
