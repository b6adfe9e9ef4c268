"""Remembers between messages, and is told when it begins and ends."""
