"""Transports: a dumb store each, behind the one contract of ``base``; ``registry`` finds one by its name."""
