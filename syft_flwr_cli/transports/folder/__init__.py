"""The transport over a shared directory."""
