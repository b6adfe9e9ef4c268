"""What a rehearsal showed, for people and as JSON: what would leave, what was read, and what it took."""

from typing import Any

from syft_flwr_cli.protocol.printable import visible
from syft_flwr_cli.services.rehearsal import Rehearsal
from syft_flwr_cli.ui import output
from syft_flwr_cli.ui.egress import egress_lines

__all__ = ["rehearsal_facts", "show_rehearsal"]


def rehearsal_facts(done: Rehearsal) -> dict[str, Any]:
    """The same for ``--json``."""
    return {
        "digest": done.digest,
        "sandbox": done.sandbox,
        "egress": list(done.egress),
        "files": [{"path": path, "bytes": size} for path, size in done.files],
        "seconds": done.seconds,
        "memory": done.memory,
        "output": done.output,
        "problem": done.problem,
    }


def show_rehearsal(done: Rehearsal) -> None:
    """Print it, with every text of the app's made visible."""
    console = output.out()

    def line(text: str) -> None:
        console.print(visible(text), markup=False, highlight=False, soft_wrap=True)

    line(f"Rehearsed: digest {done.digest}, in {done.sandbox}. Nothing was sent.")
    for text in egress_lines(done.egress, rehearsed=True):
        line(text)
    size = sum(one for _, one in done.files)
    line(f"What it read of your data: {len(done.files)} files of {size:,} bytes together.")
    for path, one in done.files[:20]:
        line(f"  {path}  {one:,} bytes")
    memory = "" if done.memory is None else f", at most {done.memory / (1 << 20):,.0f} MiB of memory"
    line(f"It took {done.seconds:.1f} s{memory}.")
    if done.problem is not None or any("error" in record for record in done.egress):
        for said in done.output.splitlines()[-20:]:
            line(f"app | {said}")
    if done.problem is not None:
        output.note(f"The rehearsal did not come to its end: {visible(done.problem)}", "bold red")
