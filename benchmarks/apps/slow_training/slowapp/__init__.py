"""An app whose training takes its time: nothing is learned."""
