"""A data owner's own data sets: names for folders, kept on this machine, and what others are told of them.

Kept in ``datasets.json`` in the participant's directory: where the private data lie, who may use them, and what others
see (description, columns, mock data). `announce` brings what others see into line with it; the private path is in
nothing that leaves. Prints nothing and asks nobody.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from syft_flwr_cli.catalogue.bundle import pack
from syft_flwr_cli.catalogue.datasets import (
    MAX_DESCRIPTION,
    Column,
    DataSet,
    check_name,
    columns_of,
    data_set_document,
    read_data_set,
)
from syft_flwr_cli.catalogue.mailbox import payload_for
from syft_flwr_cli.catalogue.payload import Payload
from syft_flwr_cli.consent.manifest import Manifest, make_manifest
from syft_flwr_cli.consent.policy import Policy, parse_policy_text
from syft_flwr_cli.errors import NotAProjectError, UsageError
from syft_flwr_cli.protocol.names import check_email
from syft_flwr_cli.protocol.strict_json import canonical, read_object
from syft_flwr_cli.services.federation import Federation, record_store
from syft_flwr_cli.services.joining import joined
from syft_flwr_cli.storage.paths import locked, participant_dir, read_private, write_private

__all__ = [
    "OwnDataSet",
    "add_data_set",
    "announce",
    "concerned",
    "data_set_policies",
    "data_sets_file",
    "own_data_sets",
    "remove_data_set",
    "usable_by",
]

FILE = "datasets.json"
MAX_FILE = 16 * 1024 * 1024
MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class OwnDataSet:
    """One data set; ``allow`` empty: every aggregator whom the owner has joined."""

    name: str
    private: Path
    mock: Path | None
    description: str
    columns: tuple[Column, ...]
    allow: tuple[str, ...]
    policy: str = ""
    """TOML with ``[tool.syft_flwr.policy]``: what else binds an app that gets these data; empty for nothing."""

    def allows(self, aggregator: str) -> bool:
        """Whether ``aggregator`` may know of it and use it."""
        return not self.allow or aggregator in self.allow


def own_data_sets(home: Path, email: str) -> list[OwnDataSet]:
    """The data sets of a participant of this machine, by name."""
    return sorted(_read(_file(home, email)).values(), key=lambda one: one.name)


def usable_by(home: Path, email: str, name: str, aggregator: str) -> OwnDataSet:
    """The data set ``name``, if ``aggregator`` may use it.

    Raises
    ------
    UsageError
        If there is none of this name, or the aggregator is not among those who may use it.
    """
    found = _read(_file(home, email))
    if name not in found:
        known = f" There are: {', '.join(sorted(found))}." if found else ""
        raise UsageError(
            f"You have no data set {name!r}.{known}",
            hint=f"Add it: syft-flwr data add {name} --private DIR",
        )
    if not found[name].allows(aggregator):
        raise UsageError(
            f"{aggregator} may not use the data set {name!r}; only {', '.join(found[name].allow)} may.",
            hint=f"To change that: syft-flwr data add {name} --private {found[name].private} --allow {aggregator}",
        )
    return found[name]


def add_data_set(
    home: Path,
    email: str,
    name: str,
    private: Path,
    *,
    mock: Path | None = None,
    description: str = "",
    allow: Collection[str] = (),
    policy: Path | None = None,
) -> OwnDataSet:
    """Give a folder a name, in place of what had it before; its policy stays unless another one is given.

    Raises
    ------
    UsageError
        If a folder is not there, or the description is too long.
    """
    for folder, flag in ((private, "--private"), (mock, "--mock-data")):
        if folder is not None and not folder.expanduser().exists():
            raise UsageError(f"There is no {folder}.", hint=f"Give an existing folder with {flag} DIR.")
    if len(description) > MAX_DESCRIPTION:
        raise UsageError(
            f"The description has {len(description):,} characters.",
            hint=f"Shorten it to {MAX_DESCRIPTION:,} at most.",
        )
    where = private.expanduser().absolute()
    made = OwnDataSet(
        check_name(name),
        where,
        None if mock is None else mock.expanduser().absolute(),
        description,
        columns_of(where),
        tuple(dict.fromkeys(check_email(one) for one in allow)),
        "" if policy is None else policy_text(policy),
    )
    file = _file(home, email)
    with locked(file):
        known = _read(file)
        if policy is None and made.name in known:
            # Rules do not end by being left out; `remove_data_set` ends them.
            made = replace(made, policy=known[made.name].policy)
        _write(file, {**known, made.name: made})
    return made


def data_set_policies(home: Path, email: str, data: Path | None) -> list[Policy]:
    """The policies of the data sets that an app which gets the folder ``data`` sees something of.

    It does not matter by which name or path the folder was given.
    """
    if data is None:
        return []
    place = data.expanduser().resolve()
    return [
        parse_policy_text(one.policy, f"the policy of the data set {one.name}")
        for one in own_data_sets(home, email)
        if one.policy and _overlap(place, one.private.resolve())
    ]


def data_sets_file(home: Path, email: str) -> Path:
    """Where the data sets are kept, for whoever looks whether they have changed."""
    return _file(home, email)


def policy_text(file: Path) -> str:
    """A policy's file, checked; `UsageError` if it cannot be read or is none, or names reviewers."""
    try:
        text = file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read: {error}.", hint="Give a TOML file with --policy."
        ) from error
    if parse_policy_text(text, str(file)).reviewers is not None:
        raise UsageError(
            f"{file} names reviewers, who approve projects and not data.",
            hint="Name them in policy.toml of your home.",
        )
    return text


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def remove_data_set(home: Path, email: str, name: str) -> None:
    """Take the name away; the folder stays. `UsageError` if there is none."""
    file = _file(home, email)
    with locked(file):
        found = _read(file)
        if name not in found:
            raise UsageError(f"You have no data set {name!r}.", hint="See them: syft-flwr data list")
        del found[name]
        _write(file, found)


def announce(federation: Federation, home: Path) -> list[str]:
    """Tell those who may use them of one's data sets, and take back what others may know no more; who was told."""
    me, store = federation.email, federation.store
    own = own_data_sets(home, me)
    told: set[str] = set()
    wanted: set[tuple[str, str]] = set()
    for one in own:
        readers = list(one.allow) or joined(home, me)
        payload, mock, content = _mock(federation, one)
        for reader in readers:
            document = data_set_document(_described(one, payload, mock))
            wanted.add((reader, one.name))
            federation.mailbox.put(reader, "dataset", one.name, document)
        if payload is not None and content is not None and readers:
            federation.mailbox.publish_payload(content, payload, readers)
    for sent in list(store.sent("dataset")):
        known = read_data_set(sent.record.content)
        if (sent.recipient, known.name) not in wanted and not known.withdrawn:
            gone = DataSet(known.name, "", (), 0, 0, withdrawn=True)
            federation.mailbox.put(sent.recipient, "dataset", known.name, data_set_document(gone))
    told.update(sent.recipient for sent in federation.mailbox.post().sent if sent.record.kind == "dataset")
    return sorted(told)


def _described(one: OwnDataSet, payload: Payload | None, mock: Manifest | None) -> DataSet:
    files, size = _count(one.private)
    return DataSet(
        name=one.name,
        description=one.description,
        columns=one.columns,
        files=files,
        bytes=size,
        mock=payload,
        mock_digest=None if mock is None else mock.digest,
    )


def _mock(federation: Federation, one: OwnDataSet) -> tuple[Payload | None, Manifest | None, bytes | None]:
    if one.mock is None:
        return None, None, None
    try:
        manifest = make_manifest(one.mock)
        content = pack(manifest, one.mock)
    except NotAProjectError as error:
        raise UsageError(
            f"The mock data in {one.mock} cannot be offered: {error.what}", hint=error.hint
        ) from error
    before = next(
        (
            data.mock
            for sent in federation.store.sent("dataset")
            if (data := read_data_set(sent.record.content)).name == one.name and data.mock is not None
        ),
        None,
    )
    return payload_for(content, before), manifest, content


def _count(place: Path) -> tuple[int, int]:
    if place.is_file():
        return 1, place.stat().st_size
    files = size = 0
    for folder, _, names in os.walk(place):
        for name in names:
            files += 1
            try:
                size += (Path(folder) / name).lstat().st_size
            except OSError:
                continue
            if files >= MAX_COUNTED:
                return files, size
    return files, size


def _file(home: Path, email: str) -> Path:
    return participant_dir(home, email) / FILE


def _read(file: Path) -> dict[str, OwnDataSet]:
    try:
        found = read_object(read_private(file, MAX_FILE), "The list of data sets")
    except FileNotFoundError:
        return {}
    return {name: _parsed(name, row) for name, row in found["datasets"].items()}


def _parsed(name: str, row: Mapping[str, Any]) -> OwnDataSet:
    return OwnDataSet(
        name,
        Path(row["private"]),
        None if row["mock"] is None else Path(row["mock"]),
        row["description"],
        tuple(Column(column, kind) for column, kind in row["columns"]),
        tuple(row["allow"]),
        row.get("policy", ""),
    )


def _write(file: Path, found: Mapping[str, OwnDataSet]) -> None:
    rows = {
        name: {
            "private": str(one.private),
            "mock": None if one.mock is None else str(one.mock),
            "description": one.description,
            "columns": [[column.name, column.type] for column in one.columns],
            "allow": list(one.allow),
            **({"policy": one.policy} if one.policy else {}),
        }
        for name, one in sorted(found.items())
    }
    write_private(file, canonical({"format": "syft-flwr data sets", "version": 1, "datasets": rows}))


def concerned(home: Path, email: str) -> list[str]:
    """Everybody who may know of a data set of ``email``, or was told of one before."""
    allowed = {reader for one in own_data_sets(home, email) for reader in one.allow or joined(home, email)}
    told = {sent.recipient for sent in record_store(home, email).sent("dataset")}
    return sorted(allowed | told)
