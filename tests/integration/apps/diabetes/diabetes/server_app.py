"""Not used: the server is a program of its own, outside of this project."""

from flwr.serverapp import ServerApp

app = ServerApp()
