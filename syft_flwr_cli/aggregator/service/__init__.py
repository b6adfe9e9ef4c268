"""The aggregator as a long-lived service: a queue of runs, a process for each, everything journaled."""
