"""Which participant is meant where no project is needed: flag, environment, project here, or the only one."""

from pathlib import Path

from syft_flwr_cli.errors import NotAProjectError, UsageError
from syft_flwr_cli.project.config import load_project
from syft_flwr_cli.project.settings import named_email, resolve

__all__ = ["current_participant"]


def current_participant(home: Path, email: str | None, folder: Path = Path()) -> str:
    """The e-mail of the participant that is meant.

    Parameters
    ----------
    home : Path
        ``SYFT_FLWR_HOME``.
    email : str | None
        What ``--email`` said.
    folder : Path
        Where a project may be that says it.

    Raises
    ------
    UsageError
        If it stays open who is meant, or it cannot name a participant.
    """
    if (named := named_email(email)) is not None:
        return named
    try:
        return resolve(load_project(folder), home=home, root=Path()).email
    except (NotAProjectError, UsageError):
        pass  # no project here, or it does not say: whoever is the only one on this machine is meant
    found = sorted(path.name for path in (home / "participants").glob("*@*") if path.is_dir())
    if len(found) == 1:
        return found[0]
    raise UsageError(
        "Which participant you mean is not known.",
        hint=f"Give one with --email: {', '.join(found)}." if found else "Give your e-mail with --email.",
    )
