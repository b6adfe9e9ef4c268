"""``python -m syft_flwr_cli`` is ``syft-flwr``."""

from syft_flwr_cli.cli.main import run

if __name__ == "__main__":
    run()
