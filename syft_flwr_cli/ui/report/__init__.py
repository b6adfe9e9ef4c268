"""The report of a run: one self-contained page, drawn here, without a script and without anything from elsewhere."""
