"""The live view of a run: its state, how it is drawn, and the terminal that it is drawn on."""
