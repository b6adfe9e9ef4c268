"""An app that says everything it does on stdout."""
