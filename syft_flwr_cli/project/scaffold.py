"""New projects from templates, and Flower projects made federated: what would be written, as a plan.

Nothing is written here (see `plan`), and nothing that the user wrote is planned to be overwritten unless that
is asked for. Planning twice with the same values plans nothing the second time. It knows neither Flower nor
what differs from machine to machine.
"""

import ast
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from syft_flwr_cli.errors import NotAProjectError, TrustError, UsageError
from syft_flwr_cli.project.config import Project, check_participants
from syft_flwr_cli.project.federate import federate, without_dependency
from syft_flwr_cli.project.plan import Change, Plan
from syft_flwr_cli.protocol.names import app_name as new_app_name
from syft_flwr_cli.transports.registry import check_transport

__all__ = [
    "TEMPLATES",
    "plan_bootstrap",
    "plan_init",
    "templates_folder",
]

TEMPLATES = ("numpy", "tabular", "pytorch", "analytics", "secagg", "xgboost")
"""The templates by name; each is a folder of the templates' folder."""

ORIGINAL = "syft-flwr"
"""The distribution of the original, which a project that it bootstrapped depends on."""

MAIN_PY = '''\
"""This project's part of a federation: the server or a client, by whose e-mail it is.

    SYFTBOX_EMAIL=you@lab.example python main.py --root SHARED_FOLDER

The aggregator of pyproject.toml runs the ServerApp, a data owner the ClientApp. The options are those of
`syft-flwr run-server` and `syft-flwr run-client`.
"""

import sys
from pathlib import Path

from syft_flwr_cli.cli.main import run

if __name__ == "__main__":
    run(["run", str(Path(__file__).resolve().parent), *sys.argv[1:]])
'''

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}\Z")
_TAKEN = sys.stdlib_module_names | {"flwr", "main", "numpy", "syft_flwr_cli", "torch", "xgboost"}


def templates_folder() -> Path:
    """Where the templates lie: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "templates"


def plan_init(
    folder: Path,
    *,
    template: str,
    aggregator: str,
    datasites: Sequence[str],
    transport: str,
    created: int,
    templates: Path | None = None,
) -> Plan:
    """Plan a new federated project in ``folder``, which is not there yet.

    Parameters
    ----------
    folder : Path
        Its last part is the project's name: at most 32 letters, digits and hyphens, as Flower wants it.
    template : str
        One of `TEMPLATES`.
    aggregator, datasites, transport
        What ``[tool.syft_flwr]`` will say.
    created : int
        Unix time in whole seconds; it becomes a part of the app name.
    templates : Path | None
        Where the templates lie, if not where `templates_folder` says.

    Raises
    ------
    UsageError
        If a value cannot be used, or ``folder`` is there already.
    """
    name = folder.name
    if not _NAME.match(name):
        raise UsageError(
            f"{name!r} cannot be the name of a Flower project.",
            hint="Start with a letter and use letters, digits and hyphens only, at most 32.",
        )
    if template not in TEMPLATES:
        raise UsageError(
            f"There is no template {template!r}.", hint=f"Choose one of: {', '.join(TEMPLATES)}."
        )
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} is there already.",
            hint="Choose another name. To federate a Flower project there: syft-flwr bootstrap "
            + shlex.quote(str(folder)),
        )
    center, owners, way = _federation(aggregator, datasites, transport)
    words = _words(name, center, owners)
    base = (templates or templates_folder()) / template
    app = new_app_name(center, name, created)
    changes = []
    for source, target in _template_files(base, words["package"]):
        data = source.read_bytes()
        if source.suffix != ".jsonl":
            data = _filled(data.decode("utf-8"), words).encode("utf-8")
        if target == Path("pyproject.toml"):
            data = federate(
                data.decode("utf-8"),
                app_name=app,
                aggregator=center,
                datasites=owners,
                transport=way,
            ).encode("utf-8")
        changes.append(Change(folder / target, None, data))
    changes.append(Change(folder / "main.py", None, MAIN_PY.encode("utf-8")))
    return Plan(folder, app, tuple(sorted(changes, key=lambda change: change.path)))


def plan_bootstrap(
    project: Project,
    *,
    aggregator: str | None,
    datasites: Sequence[str],
    transport: str | None,
    created: int,
    force: bool = False,
    fingerprints: Mapping[str, str] | None = None,
) -> Plan:
    """Plan to make ``project`` a federated one, or to complete what is there.

    ``fingerprints`` are those of the participants' keys that are known, by e-mail.

    What stands in ``[tool.syft_flwr]`` holds where no value is given. A second plan with the same values is
    empty. The app name is kept, unless ``force`` puts another aggregator in, whose name is part of it.

    Raises
    ------
    UsageError
        If a value is missing or cannot be used, or stands otherwise in the project and ``force`` is not set.
    TrustError
        The same for a fingerprint.
    NotAProjectError
        If ``pyproject.toml`` cannot be changed without disturbing the rest of it.
    """
    given = _given(project, aggregator, datasites, transport, force)
    center, owners, way = given
    same = project.app_name is not None and project.aggregator in (None, center)
    app = project.app_name if same and project.app_name else new_app_name(center, project.name, created)
    file = project.path / "pyproject.toml"
    before = file.read_bytes()
    after = federate(
        before.decode("utf-8"),
        app_name=app,
        aggregator=center,
        datasites=owners,
        transport=way,
        fingerprints=_pins(project, fingerprints or {}, force),
    )
    notes = []
    plain = without_dependency(after, ORIGINAL)
    if plain != after:
        notes.append(f"The dependency on {ORIGINAL} is taken out of pyproject.toml: the app runs without it.")
    changes = [Change(file, before, plain.encode("utf-8"))] if plain.encode("utf-8") != before else []
    main = project.path / "main.py"
    ours = MAIN_PY.encode("utf-8")
    there = main.read_bytes() if main.is_file() else None
    kept: tuple[Path, ...] = ()
    if there is not None and is_of_original(there):
        changes.append(Change(main, there, ours))
        notes.append("The main.py of syft-flwr is replaced: it imported syft_flwr.run.")
    elif there is None or (there != ours and force):
        changes.append(Change(main, there, ours))
    elif there != ours:
        kept = (main,)
    return Plan(project.path, app, tuple(changes), kept, tuple(notes))


def is_of_original(main: bytes) -> bool:
    """Whether a ``main.py`` is one that the original's bootstrap wrote: it imports ``syft_flwr.run``."""
    try:
        tree = ast.parse(main)
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.ImportFrom) and node.module == "syft_flwr.run" for node in ast.walk(tree))


def _federation(
    aggregator: str | None, datasites: Sequence[str], transport: str | None
) -> tuple[str, tuple[str, ...], str]:
    if not aggregator:
        raise UsageError("Who aggregates is not known.", hint="Give the e-mail with --aggregator E.")
    if not datasites:
        raise UsageError("Who owns the data is not known.", hint="Give the e-mails with --datasites E,E.")
    center, owners = check_participants(aggregator, datasites)
    return center or "", owners, check_transport(transport or "local")


def _given(
    project: Project, aggregator: str | None, datasites: Sequence[str], transport: str | None, force: bool
) -> tuple[str, tuple[str, ...], str]:
    """The federation that is wanted, refused where it contradicts what stands in the project."""
    center, owners, way = _federation(
        aggregator or project.aggregator, datasites or project.datasites, transport or project.transport
    )
    for key, stands, wanted in (
        ("aggregator", project.aggregator, center),
        ("datasites", project.datasites or None, owners),
        ("transport", project.transport, way),
    ):
        if stands is not None and stands != wanted and not force:
            text = ", ".join(stands) if isinstance(stands, tuple) else stands
            raise UsageError(
                f"[tool.syft_flwr] already says {key} = {text}.",
                hint=f"Leave --{key} out to keep it, or add --force to replace it.",
            )
    return center, owners, way


def _pins(project: Project, fingerprints: Mapping[str, str], force: bool) -> dict[str, str]:
    """The fingerprints to write, refused where they contradict what stands in the project."""
    for email, known in fingerprints.items():
        stands = project.fingerprints.get(email)
        if stands is not None and stands != known and not force:
            raise TrustError(
                f"The project names the fingerprint {stands[:16]}… for {email}, whose key is known here as "
                f"{known[:16]}….",
                hint=f"Compare the words of its key with {email} on the phone; only if they agree, add --force.",
            )
    return dict(fingerprints)


def _words(name: str, aggregator: str, datasites: Sequence[str]) -> dict[str, str]:
    """What the placeholders of a template become."""
    package = name.replace("-", "_").lower()
    return {
        "project": name,
        "package": f"{package}_app" if package in _TAKEN else package,
        "publisher": re.sub(r"[^a-z0-9]+", "-", aggregator.split("@")[0]).strip("-") or "somebody",
        "aggregator": aggregator,
        "first_owner": datasites[0],
    }


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _template_files(base: Path, package: str) -> Iterator[tuple[Path, Path]]:
    """Every file of a template, and where it goes in the project."""
    if not base.is_dir():
        raise NotAProjectError(f"The template {base} is not there.", hint="Install syft-flwr-cli again.")
    for source in sorted(base.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            parts = source.relative_to(base).parts
            if parts == ("gitignore",):  # under its own name it would hide files of the template
                parts = (".gitignore",)
            yield source, Path(*(package if part == "package" else part for part in parts))
