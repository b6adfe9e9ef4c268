"""A federation that shows everything that was lost, done twice, or done in another order."""
