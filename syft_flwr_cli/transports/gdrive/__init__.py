"""The transport over Google Drive."""
