"""In the style of the original's analytics example."""
