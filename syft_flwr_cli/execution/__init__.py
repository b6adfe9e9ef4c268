"""Where an app runs: the worker process, its protocol, its import guard."""
