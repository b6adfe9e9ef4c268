"""Events of stores, keys and homes: what a participant opens, and whom it trusts from then on."""

from dataclasses import dataclass

from syft_flwr_cli.events.base import Event

__all__ = [
    "EncryptionOff",
    "HomeRestored",
    "IdentityCreated",
    "KeyAwaited",
    "KeyPinned",
    "KeyRotated",
    "KeyWithdrawn",
    "KeysPinned",
    "OwnKeyReplaced",
    "StoreOpened",
]


SHOWN = 20
"""Participants of a long list that a sentence names."""


@dataclass(frozen=True, slots=True)
class StoreOpened(Event):
    """A command begins to work in this store; ``place`` is its folder on this machine, where it has one."""

    kind = "store"
    transport: str
    place: str

    def sentence(self) -> str:
        return f"Shared folder: {self.place}" if self.place else f"Transport: {self.transport}"


@dataclass(frozen=True, slots=True)
class IdentityCreated(Event):
    """Keys were made for a participant on this machine."""

    kind = "identity-created"
    email: str
    words: str

    def sentence(self) -> str:
        return f"Made keys for {self.email}. Fingerprint: {self.words}"


@dataclass(frozen=True, slots=True)
class KeyPinned(Event):
    """A peer's key was seen for the first time, and is trusted from now on."""

    kind = "pinned"
    level = "alarm"
    peer: str
    fingerprint: str
    words: str

    def sentence(self) -> str:
        return (
            f"First contact with {self.peer}: from now on only this key is trusted for it.\n"
            f"    fingerprint: {self.words}\n"
            f"    Compare it with {self.peer} by phone, then: syft-flwr keys verify {self.peer}"
        )


@dataclass(frozen=True, slots=True)
class KeysPinned(Event):
    """The keys of many peers were seen for the first time at once, and are trusted from now on."""

    kind = "many-pinned"
    level = "alarm"
    peers: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def sentence(self) -> str:
        shown = list(zip(self.peers, self.fingerprints, strict=True))[:SHOWN]
        width = max(len(peer) for peer, _ in shown)
        rows = [f"    {peer:<{width}}  {fingerprint[:16]}…" for peer, fingerprint in shown]
        if len(self.peers) > SHOWN:
            rows.append(f"    … and {len(self.peers) - SHOWN} more")
        return "\n".join(
            [
                f"First contact with {len(self.peers)} participants: from now on only these keys are trusted for them.",
                *rows,
                "    To compare them: syft-flwr keys list shows the words of each, syft-flwr keys verify notes it.",
            ]
        )


@dataclass(frozen=True, slots=True)
class KeyRotated(Event):
    """A peer has a new key, signed with the one before."""

    kind = "rotated"
    level = "alarm"
    peer: str
    fingerprint: str
    words: str

    def sentence(self) -> str:
        return f"{self.peer} has a new key, signed with the one before. Fingerprint: {self.words}"


@dataclass(frozen=True, slots=True)
class KeyWithdrawn(Event):
    """The key of a peer, accepted so far, is not trusted any more, so nothing is sent to it or taken from it."""

    kind = "key-withdrawn"
    level = "alarm"
    repeats = float("inf")
    peer: str
    error: str
    hint: str

    def sentence(self) -> str:
        return f"{self.peer} takes no part any more: {self.error} {self.hint}"


@dataclass(frozen=True, slots=True)
class HomeRestored(Event):
    """A peer has seen a later entry of the participant's record than there is: as after an old backup was put back."""

    kind = "home-restored"
    level = "alarm"
    repeats = float("inf")
    peer: str
    head: str

    def sentence(self) -> str:
        return (
            f"{self.peer} has seen a later state of the record here (head {self.head[:16]}…) than there is: this home "
            "was restored from an older state, or a process writes to another one. What was executed after that state "
            "is executed again if it is asked for again. docs/durability.md says what else repeats."
        )


@dataclass(frozen=True, slots=True)
class KeyAwaited(Event):
    """A peer has published no key yet, so nothing can be sealed for it."""

    kind = "no-key"
    repeats = float("inf")
    peer: str

    def sentence(self) -> str:
        return f"Waiting for {self.peer}: it has published no key yet (its run-client has not started)."


@dataclass(frozen=True, slots=True)
class OwnKeyReplaced(Event):
    """Another key than this machine's was published for the participant itself, as by a second machine of theirs."""

    kind = "own-key-elsewhere"
    level = "alarm"
    email: str
    words: str

    def sentence(self) -> str:
        return f"Another key of yours ({self.email}) is published here: {self.words}"


@dataclass(frozen=True, slots=True)
class EncryptionOff(Event):
    """A participant works with encryption switched off."""

    kind = "encryption-off"
    level = "alarm"

    def sentence(self) -> str:
        return "Encryption is switched OFF for debugging: messages are signed, but anybody can read them."
