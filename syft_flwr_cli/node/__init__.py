"""The data owner's side of a run."""
