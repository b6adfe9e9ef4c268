"""The desk: a page on loopback for data owners who do not program."""
