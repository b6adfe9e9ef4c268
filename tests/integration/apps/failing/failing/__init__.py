"""An app that fails in one place."""
