"""What holds for one participant in one app: the one place where flags, environment and files are combined.

For every value the order is: flag, environment, the participant's own settings, the project, default. The
result is checked and complete, so that nothing behind it reads the environment again. It does not know
Flower, and does not touch the disk beyond reading two small files (own settings and SyftBox's config).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from syft_flwr_cli.errors import UsageError
from syft_flwr_cli.project.config import Project, check_participants, require_federated
from syft_flwr_cli.project.duration import parse_duration
from syft_flwr_cli.project.enough import Enough, parse_enough
from syft_flwr_cli.project.own_settings import FILE_NAME, layers, read_own, remember
from syft_flwr_cli.protocol.names import check_app_name, check_email
from syft_flwr_cli.transports.registry import check_transport, find_spec
from syft_flwr_cli.transports.spec import TransportSpec

__all__ = [
    "VARIABLES",
    "Role",
    "Settings",
    "child_environment",
    "named_email",
    "parse_duration",
    "remember",
    "resolve",
    "transport_options",
    "variable_path",
    "variable_text",
]

Role = Literal["aggregator", "data owner"]

DEFAULT_POLL_INTERVAL = 3.0
DEFAULT_RETENTION = 7 * 86400.0

VARIABLES: Mapping[str, str] = {
    "SYFTBOX_EMAIL": "who you are; --email comes before it",
    "SYFTBOX_CLIENT_CONFIG_PATH": "SyftBox's config.json; --syftbox-config comes before it",
    "SYFT_FLWR_TRANSPORT": "the transport; --transport comes before it",
    "SYFT_FLWR_ROOT": "the shared folder of the local transport; --root comes before it",
    "DATA_DIR": "a data owner's data; --data comes before it",
    "SYFT_FLWR_ENCRYPTION_ENABLED": "false signs messages without sealing them, for debugging (default: true)",
    "SYFT_FLWR_MSG_TIMEOUT": "how long an answer may take where nothing else says it, in seconds (default: no limit)",
    "SYFT_FLWR_POLL_INTERVAL": "seconds between two looks at the store (default: 3)",
    "SYFT_FLWR_SANDBOX": "the sandbox that an app runs in; --sandbox comes before it (default: auto)",
    "SYFT_FLWR_HOME": "where keys, journals and approvals are kept on this machine",
    "FLWR_HOME": "Flower's own folder, for its command line",
    "SYFT_FLWR_PASSPHRASE": "the passphrase of the keys, where they have one",
    "SYFT_FLWR_DEBUG": "1 shows tracebacks, as --debug does",
    "NO_COLOR": "anything: no colours",
}
"""The environment variables that are read, and what each says; one that is set to nothing counts as not set."""

_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Settings:
    """One participant's settings in one app. All times in seconds.

    ``timeout`` is None unless a flag, the own settings or the project set one; ``default_timeout`` then
    holds for calls that bring no timeout of their own, and None is without limit. ``transport_options`` are the
    chosen transport's own options that have a value, by key (see `TransportSpec`); paths among them and ``data``
    are absolute.
    """

    email: str
    role: Role
    app_name: str
    aggregator: str
    datasites: tuple[str, ...]
    transport: str
    transport_options: Mapping[str, Any]
    data: Path | None
    encryption: bool
    timeout: float | None
    default_timeout: float | None
    poll_interval: float
    enough: Enough | None
    grace: float | None
    retention: float

    @property
    def root(self) -> Path | None:
        """The shared folder, where the transport has one."""
        root = self.transport_options.get("root")
        return root if isinstance(root, Path) else None


def resolve(
    project: Project | None,
    *,
    home: Path,
    environ: Mapping[str, str] | None = None,
    role: Role | None = None,
    email: str | None = None,
    app_name: str | None = None,
    aggregator: str | None = None,
    datasites: Sequence[str] | None = None,
    transport: str | None = None,
    root: Path | None = None,
    syftbox_config: Path | None = None,
    data: Path | None = None,
    timeout: str | float | None = None,
    enough: str | int | None = None,
    grace: str | float | None = None,
) -> Settings:
    """Combine everything that can set a value; see the module's first paragraph for the order.

    Parameters
    ----------
    project : Project | None
        The federated project; None for a program that gives ``app_name`` and ``datasites`` itself.
    environ : Mapping[str, str], optional
        The environment instead of this process's; a variable set to nothing counts as not set.
    home : Path
        ``SYFT_FLWR_HOME``.
    role : Role | None
        What the command is for; an e-mail of the other role is refused.
    email, app_name, aggregator, datasites, transport, root, syftbox_config, data, timeout, enough, grace
        The flags (or the arguments of the Python API); None where none was given.

    Raises
    ------
    NotAProjectError
        If the project is not federated and the flags do not make up for it.
    UsageError
        If a value is missing or cannot be used; it names the flag, the variable or the file.
    """
    if project is not None and not (app_name and datasites and (aggregator or role == "aggregator")):
        require_federated(project)
    app = _app_name(app_name or (project.app_name if project else None))
    center, owners = check_participants(
        aggregator or (project.aggregator if project else None),
        datasites or (project.datasites if project else ()),
    )
    environ = os.environ if environ is None else environ
    own = read_own(home)
    said = email or environ.get("SYFTBOX_EMAIL", "").strip() or None
    look = _Lookup(environ, home / FILE_NAME, list(layers(own, app, said and check_email(said))))
    chosen = _transport(look, transport, project)
    spec, flags = find_spec(chosen), {"root": root, "syftbox_config": syftbox_config}
    me = _email(look, email, spec, look.options(spec, flags))
    look = _Lookup(environ, home / FILE_NAME, list(layers(own, app, me)))
    center, owners = _sides(me, center, owners, role)
    wanted = look.enough(enough, project.enough if project else None)
    if wanted is not None and wanted.count > len(owners):
        raise UsageError(
            f"{wanted} answers are to be enough, but there are {len(owners)} data owners.",
            hint="Lower enough, or name more data owners.",
        )
    pause = look.seconds(grace, "--grace", None, "grace", project.grace if project else None)
    if pause is not None and wanted is None:
        raise UsageError(
            "A grace period is given, and not how many answers are enough.",
            hint="Say after how many answers it begins (--enough 90%), or leave --grace out: then all are waited for.",
        )
    options = look.options(spec, flags)
    spec.require(options)
    return Settings(
        email=me,
        role=_role(me, center, owners, role),
        app_name=app,
        aggregator=center,
        datasites=owners,
        transport=chosen,
        transport_options=options,
        data=look.path(data, "DATA_DIR", "data"),
        encryption=look.switch("SYFT_FLWR_ENCRYPTION_ENABLED", "encryption", default=True),
        timeout=look.seconds(timeout, "--timeout", None, "timeout", project.timeout if project else None),
        default_timeout=look.seconds(None, "", "SYFT_FLWR_MSG_TIMEOUT", "default_timeout", None),
        poll_interval=look.seconds(
            None, "", "SYFT_FLWR_POLL_INTERVAL", "poll_interval", DEFAULT_POLL_INTERVAL
        )
        or DEFAULT_POLL_INTERVAL,
        enough=wanted,
        grace=pause,
        retention=look.seconds(None, "", None, "retention", project.retention if project else None)
        or DEFAULT_RETENTION,
    )


def named_email(flag: str | None, environ: Mapping[str, str] | None = None) -> str | None:
    """The e-mail that a flag or the environment names, checked; None if neither does."""
    text = flag or (os.environ if environ is None else environ).get("SYFTBOX_EMAIL", "").strip()
    return check_email(text) if text else None


def variable_text(name: str, environ: Mapping[str, str] | None = None) -> str:
    """What an environment variable says, without white space around it; empty if it is not set."""
    return (os.environ if environ is None else environ).get(name, "").strip()


def child_environment(**more: str) -> dict[str, str]:
    """The environment of this process for one that it starts, with some variables set otherwise."""
    return {**os.environ, **more}


def variable_path(name: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """The path that an environment variable names; None if it is not set."""
    text = (os.environ if environ is None else environ).get(name, "").strip()
    return Path(text) if text else None


def transport_options(spec: TransportSpec, home: Path, app_name: str, **flags: Any) -> dict[str, Any]:
    """The options of a transport that have a value on this machine, whoever of an app acts; see `resolve`."""
    tables = list(layers(read_own(home), app_name, None))
    return _Lookup(os.environ, home / FILE_NAME, tables).options(spec, flags)


class _Lookup:
    """One value after the other, in the order flag, environment, own settings, and then what is left."""

    def __init__(self, environ: Mapping[str, str], file: Path, tables: list[Mapping[str, Any]]) -> None:
        self._environ = environ
        self._file = file
        self._tables = tables

    def variable(self, name: str | None) -> str | None:
        return (self._environ.get(name, "").strip() or None) if name else None

    def own(self, key: str) -> tuple[Any, str]:
        for table in self._tables:
            if table.get(key) is not None:
                return table[key], f"{self._file}, {key}"
        return None, ""

    def find(self, flag: Any, flag_name: str, variable: str | None, key: str) -> tuple[Any, str]:
        """The first value that is set, and where it stands."""
        if flag is not None:
            return flag, flag_name
        if (text := self.variable(variable)) is not None:
            return text, str(variable)
        return self.own(key)

    def options(self, spec: TransportSpec, flags: Mapping[str, Any]) -> dict[str, Any]:
        """The transport's own options that have a value."""
        found = {}
        for option in spec.options:
            flag = flags.get(option.key)
            if option.is_path:
                value: Any = self.path(flag, option.variable, option.key)
            else:
                value, _ = self.find(flag, option.flag, option.variable, option.key)
            if value is None:
                value = option.default(self._environ)
            if value is not None:
                found[option.key] = value
        return found

    def path(self, flag: Path | None, variable: str, key: str) -> Path | None:
        value, where = self.find(flag, "", variable, key)
        if value is not None and not isinstance(value, str | Path):
            raise UsageError(f"{where}: {value!r} is no path.", hint='Write it in quotes: "…".')
        return None if value is None else Path(value).expanduser().absolute()

    def seconds(
        self, flag: Any, flag_name: str, variable: str | None, key: str, rest: float | None
    ) -> float | None:
        value, where = self.find(flag, flag_name, variable, key)
        return rest if value is None else parse_duration(value, where)

    def switch(self, variable: str, key: str, *, default: bool) -> bool:
        value, where = self.find(None, "", variable, key)
        text = str(value).lower()
        if value is None:
            return default
        if text not in _TRUE + _FALSE:
            raise UsageError(
                f"{where}: {str(value)[:40]!r} is neither true nor false.", hint="Set it to true."
            )
        return text in _TRUE

    def enough(self, flag: str | int | None, rest: Enough | None) -> Enough | None:
        value, where = self.find(flag, "--enough", None, "enough")
        if value is None:
            value, where = self.own("min_replies")  # what it was called before it could be a share
        return rest if value is None else parse_enough(value, where)


def _app_name(text: str | None) -> str:
    if not text:
        raise UsageError("The app name is not known.", hint="Give app_name, or a federated project.")
    return check_app_name(text.removeprefix("flwr/"))  # how callers of the original name their apps


def _transport(look: _Lookup, flag: str | None, project: Project | None) -> str:
    value, where = look.find(flag, "--transport", "SYFT_FLWR_TRANSPORT", "transport")
    if value is not None:
        try:
            return check_transport(str(value))
        except UsageError as error:
            raise UsageError(f"{where}: {error.what}", hint=error.hint) from error
    if project is not None and project.transport is not None:
        return project.transport
    # Who names SyftBox's config and no transport runs a program made for the original, where that was enough.
    return "syftbox" if look.variable("SYFTBOX_CLIENT_CONFIG_PATH") else "local"


def _email(look: _Lookup, flag: str | None, spec: TransportSpec, options: Mapping[str, Any]) -> str:
    """Whose machine this is; the store's account comes before what was remembered, and must not contradict."""
    account = spec.account(options)
    given = flag or look.variable("SYFTBOX_EMAIL")
    if given is None and account is None:
        given, _ = look.own("email")
    text = given or account
    if not isinstance(text, str):
        raise UsageError(
            "Which participant you are is not known.",
            hint="Give your e-mail with --email, or set SYFTBOX_EMAIL.",
        )
    me = check_email(text)
    if account is not None and account != me:
        ways = [way for option in spec.options for way in (option.flag, option.variable) if way]
        raise UsageError(
            f"You act as {me}, but {', '.join(map(str, options.values()))} belongs to {account}.",
            hint=f"Name your own with {' or '.join(ways)}.",
        )
    return me


def _sides(
    me: str, aggregator: str | None, datasites: tuple[str, ...], role: Role | None
) -> tuple[str, tuple[str, ...]]:
    """Complete what a program without a project leaves open: its own side of the federation."""
    if role == "data owner" and aggregator is None:
        raise UsageError(
            "Who the aggregator is is not known.",
            hint="Give project_dir, the folder of the federated project.",
        )
    if role == "data owner" and not datasites:
        datasites = (me,)
    if not datasites:
        raise UsageError("No data owner is named.", hint="Name them with --datasites E,E.")
    return aggregator or me, datasites


def _role(me: str, aggregator: str, datasites: tuple[str, ...], wanted: Role | None) -> Role:
    found: Role | None = "aggregator" if me == aggregator else "data owner" if me in datasites else None
    if found is None:
        raise UsageError(
            f"{me} has no part in this app.",
            hint=f"Its aggregator is {aggregator}, its data owners are {', '.join(datasites)}.",
        )
    if wanted is not None and found != wanted:
        command = "run-server" if found == "aggregator" else "run-client"
        raise UsageError(
            f"{me} is {'the aggregator' if found == 'aggregator' else 'a data owner'} of this app, "
            f"not {'the aggregator' if wanted == 'aggregator' else 'a data owner'}.",
            hint=f"Type: syft-flwr {command}, or give the e-mail of the other role with --email.",
        )
    return found
