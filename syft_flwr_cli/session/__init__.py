"""What a command works with, opened: participant, transport, interrupts."""
