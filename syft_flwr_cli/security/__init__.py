"""Keys, seals and trust."""
