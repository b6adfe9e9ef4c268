"""The transports that there are: the built-in ones, and those that other packages offer.

A transport is chosen by its name (or an alias) and by nothing else. Looking one up imports its specification
only; the transport's code is imported when it is opened. Packages that are not asked for are not looked at: the
entry points of the environment are read only for a name that no built-in transport has, or for the list of all.
"""

from importlib import import_module
from importlib.metadata import entry_points

from syft_flwr_cli.errors import TransportError, UsageError
from syft_flwr_cli.transports.base import Transport
from syft_flwr_cli.transports.spec import ENTRY_POINTS, Opening, Option, PublicDocuments, TransportSpec

__all__ = [
    "ENTRY_POINTS",
    "Opening",
    "Option",
    "PublicDocuments",
    "TransportSpec",
    "all_specs",
    "check_transport",
    "find_spec",
    "open_transport",
]

_BUILT_IN = (
    "syft_flwr_cli.transports.folder.spec",
    "syft_flwr_cli.transports.syftbox.spec",
    "syft_flwr_cli.transports.gdrive.spec",
    "syft_flwr_cli.transports.object_store.spec",
)


def all_specs() -> dict[str, TransportSpec]:
    """Every transport by its name, the built-in ones first.

    Raises
    ------
    TransportError
        If another package offers something that is no transport, or takes a name that is taken.
    """
    found = {spec.name: spec for spec in _built_in()}
    taken = {name for spec in found.values() for name in (spec.name, *spec.aliases)}
    for spec in _offered():
        for name in (spec.name, *spec.aliases):
            if name in taken:
                raise TransportError(
                    f"Two installed packages offer a transport called {name!r}.",
                    hint="Uninstall one of them (pip list shows what is installed).",
                )
            taken.add(name)
        found[spec.name] = spec
    return found


def find_spec(name: str) -> TransportSpec:
    """The transport called ``name``, which may be an alias.

    Raises
    ------
    UsageError
        If there is no such transport.
    TransportError
        If a package that offers one cannot be used.
    """
    wanted = name.strip().lower()
    for spec in _built_in():
        if wanted in (spec.name, *spec.aliases):
            return spec
    others = all_specs()
    for spec in others.values():
        if wanted in (spec.name, *spec.aliases):
            return spec
    *first, last = others
    raise UsageError(
        f"There is no transport {name[:40]!r}.", hint=f"Choose one of: {', '.join([*first, last])}."
    )


def check_transport(name: str) -> str:
    """The proper name of the transport ``name``; errors as `find_spec`."""
    return find_spec(name).name


def open_transport(name: str, opening: Opening) -> Transport:
    """Open one participant's view of a store.

    Raises
    ------
    UsageError
        If there is no such transport, or it lacks an option that it needs.
    TransportError
        If the store cannot be used.
    """
    spec = find_spec(name)
    spec.require(opening.options)
    return spec.open(opening)


def _built_in() -> list[TransportSpec]:
    return [import_module(module).SPEC for module in _BUILT_IN]


def _offered() -> list[TransportSpec]:
    found = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            spec = entry.load()
        except Exception as error:
            raise TransportError(
                f"The transport {entry.name!r} of an installed package cannot be loaded: {error}.",
                hint=f"Update or uninstall the package that offers {entry.value}.",
            ) from error
        if not isinstance(spec, TransportSpec):
            raise TransportError(
                f"The transport {entry.name!r} of an installed package is no TransportSpec.",
                hint=f"Update or uninstall the package that offers {entry.value}.",
            )
        found.append(spec)
    return found
