"""This machine's disk: paths, locks, crash points, the journal, the file index."""
