"""``python -m syft_flwr_cli`` is ``syft-flwr``; both begin here, so that Ctrl-C is heard from the start."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    try:
        if os.environ.get("SYFT_FLWR_PASSPHRASE"):
            from syft_flwr_cli.security.process_memory import hide_variable

            hide_variable("SYFT_FLWR_PASSPHRASE")
        from syft_flwr_cli.cli.main import run
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
