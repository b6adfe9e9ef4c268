"""Flower's Control API, which an unmodified ``flwr`` command line speaks, on a backend that knows no Flower."""
