"""Use cases with typed results; they print nothing and ask nothing."""
