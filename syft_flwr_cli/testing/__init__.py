"""Stand-ins for tests, for authors of transports and for `simulate --emulator`."""
