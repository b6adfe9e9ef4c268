"""Every public name of the original 0.5.3 is in the table of the docs, and what the table offers is there."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "moving-from-the-original.md"

NAMES = {
    "syft_flwr": "bootstrap run",
    "syft_flwr.run": "syftbox_run_flwr_client syftbox_run_flwr_server run syftbox_flwr_client syftbox_flwr_server "
    "load_flwr_pyproject",
    "syft_flwr.run_simulation": "run validate_bootstraped_project",
    "syft_flwr.config": "load_flwr_pyproject load_toml write_toml",
    "syft_flwr.consts": "SYFT_FLWR_ENCRYPTION_ENABLED",
    "syft_flwr.fl_orchestrator": "syftbox_flwr_server syftbox_flwr_client SyftGrid MessageHandler RequestProcessor",
    "syft_flwr.fl_orchestrator.syft_grid": "SyftGrid AGGREGATOR_NODE_ID",
    "syft_flwr.strategy": "FedAvgWithModelSaving",
    "syft_flwr.utils": "run_syft_flwr get_syftbox_dataset_path is_valid_datasite str_to_int create_temp_client "
    "setup_client create_flwr_message check_reply_to_field EMAIL_REGEX",
    "syft_flwr.serde": "flower_message_to_bytes bytes_to_flower_message",
    "syft_flwr.client": "create_client SyftFlwrClient SyftCoreClient SyftP2PClient",
    "syft_flwr.rpc": "create_rpc SyftFlwrRpc SyftRpc P2PFileRpc",
    "syft_flwr.events": "create_events_watcher SyftFlwrEvents SyftEvents P2PFileEvents",
    "syft_flwr.gdrive_io": "GDriveFileIO GDRIVE_OUTBOX_INBOX_FOLDER_PREFIX",
    "syft_flwr.mounts": "SyftFlwrMountProvider",
}
PAIRS = [(module, name) for module, names in NAMES.items() for name in names.split()]


def table() -> dict[tuple[str, str], str]:
    found = {}
    for line in DOCS.read_text().splitlines():
        match = re.match(r"\| `(syft_flwr[\w.]*)` \| ((?:`\w+`(?:, )?)+) \| (.*) \|$", line)
        if match:
            for name in re.findall(r"`(\w+)`", match[2]):
                found[match[1], name] = match[3]
    return found


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_a_name_of_the_original_is_in_the_table_and_is_here_or_said_to_be_internal(
    module: str, name: str
) -> None:
    here = table()[module, name]
    moved = module.replace("syft_flwr", "syft_flwr_cli.compat", 1)
    if here.startswith("internal there"):
        with pytest.raises((ImportError, AttributeError)):
            getattr(importlib.import_module(moved), name)
    else:
        assert getattr(importlib.import_module(moved), name) is not None


def test_the_table_names_nothing_else() -> None:
    assert set(table()) == set(PAIRS)


def test_the_documented_orchestrator_path_gives_the_same_objects() -> None:
    from syft_flwr_cli import compat, fl_orchestrator

    theirs = importlib.import_module("syft_flwr_cli.compat.fl_orchestrator")
    for name in ("SyftGrid", "syftbox_flwr_client", "syftbox_flwr_server"):
        assert getattr(fl_orchestrator, name) is getattr(theirs, name)
    with pytest.raises(AttributeError):
        _ = compat.nothing
