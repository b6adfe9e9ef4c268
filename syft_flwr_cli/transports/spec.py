"""What a transport says of itself before it is opened: its names, its options, where its documents lie.

A `TransportSpec` is all that the rest of the program knows of a transport. It imports nothing heavy: the
functions in it import the transport when they are called. Another package offers one through the entry-point
group `ENTRY_POINTS`; the built-in ones are in ``registry``. It reads no environment and no file itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.transports.base import CallCosts, Transport

__all__ = ["ENTRY_POINTS", "Opening", "Option", "Options", "PublicDocuments", "TransportSpec"]

ENTRY_POINTS = "syft_flwr.transports"
"""The group of entry points by which another package adds a transport: ``name = "module:SPEC"``."""

Options = Mapping[str, Any]
"""The values of a transport's own options, by key; an option that was not given is absent."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a transport: what differs from machine to machine and only this transport needs.

    Parameters
    ----------
    key : str
        Its name in ``settings.toml`` and in `Opening.options`.
    variable : str
        The environment variable that sets it.
    flag : str
        The command-line flag that sets it; empty where there is none.
    is_path : bool
        Whether it is a path, which is made absolute; otherwise it is text.
    missing : str
        What is said when a value is needed and there is none; empty if it may be left out.
    hint : str
        The remedy for that.
    default : callable
        The value when none is given, from the environment; None for no value.
    """

    key: str
    variable: str
    flag: str = ""
    is_path: bool = False
    missing: str = ""
    hint: str = ""
    default: Callable[[Mapping[str, str]], Any] = lambda environ: None


@dataclass(frozen=True, slots=True)
class Opening:
    """What a transport is opened with.

    Parameters
    ----------
    email : str
        Whose view of the store it is.
    options : mapping
        The transport's own options that were given, by key.
    poll_interval : float
        Seconds between two looks at the most.
    state_dir : Path
        Where a transport may keep what it has to remember between two runs; it need not be there.
    sign : callable, optional
        Signs what the transport tells peers of where to look.
    check : callable, optional
        Checks what a peer tells (owner, message, signature); None where its key is not known yet.
    """

    email: str
    options: Options
    poll_interval: float
    state_dir: Path
    sign: Callable[[bytes], bytes] | None = None
    check: Callable[[str, bytes, bytes], bool | None] | None = None


@dataclass(frozen=True, slots=True)
class PublicDocuments:
    """Where everybody's spaces are folders of this machine: ``{root}/{owner}/{inside}/{path}``."""

    root: Path
    inside: tuple[str, ...] = ()

    def space(self, owner: str) -> Path:
        """The folder in which the paths of ``owner`` begin."""
        return self.root.joinpath(owner, *self.inside)


@dataclass(frozen=True, slots=True)
class TransportSpec:
    """See the module's first paragraph.

    Parameters
    ----------
    name : str
        Its name in projects and settings: lower case.
    open : callable
        Opens one participant's view of the store. Raises `UsageError` for an option that cannot be used,
        and `TransportError` with a remedy if the store cannot be used.
    aliases : tuple of str
        Other names that mean the same.
    options : tuple of Option
        Its own options.
    account : callable
        Whom the store knows this machine as, given the options; None where it does not say. Raises
        `UsageError` if that cannot be found out.
    public_documents : callable
        Where participants' public documents lie on this machine; None where that is no folder.
    costs : callable
        What the processes that used a state directory have asked of the service so far, by kind of call.
    used : callable
        Bytes of one's own files in the store, as a state directory knows them; None where it does not say.
    """

    name: str
    open: Callable[[Opening], Transport]
    aliases: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    account: Callable[[Options], str | None] = lambda options: None
    public_documents: Callable[[Options], PublicDocuments | None] = lambda options: None
    costs: Callable[[Path], Mapping[str, CallCosts]] = field(default=lambda state_dir: {})
    used: Callable[[Path], int | None] = lambda state_dir: None

    def require(self, options: Options) -> None:
        """Raise `UsageError` with a remedy if an option is missing that is needed."""
        for option in self.options:
            if option.missing and options.get(option.key) is None:
                raise UsageError(option.missing, hint=option.hint)
