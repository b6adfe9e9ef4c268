"""The aggregator's side of a run: Flower's Grid over files, the log of rounds, runs."""
