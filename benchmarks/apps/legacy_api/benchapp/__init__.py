"""An app for measuring: nothing is learned."""
