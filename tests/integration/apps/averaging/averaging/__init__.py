"""Linear regression with the Message API."""
