"""In the style of the original's training example."""
