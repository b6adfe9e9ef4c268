"""The tamper-evident audit log: its entries, the log itself, its verification."""
