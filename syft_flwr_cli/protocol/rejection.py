"""The refusal: the one error for everything from outside that is not accepted, with a reason to count by.

Parsers of foreign bytes raise nothing else, whatever the bytes. Knows nothing of formats or keys.
"""

from typing import Final

from syft_flwr_cli.errors import EXIT_TRUST, SyftFlwrError

__all__ = ["REASONS", "RefusedError"]

REASONS: Final = (
    "garbage",
    "version",
    "signature",
    "stranger",
    "misaddressed",
    "expired",
    "replayed",
    "wrong-run",
    "wrong-app",
    "plaintext",
    "undecryptable",
    "oversized",
    "unexpected",
    "damaged",
    "key",
)
"""Every reason there is; `status` and the audit log count by them."""


class RefusedError(SyftFlwrError):
    """Something that came from outside is not accepted.

    Parameters
    ----------
    reason : str
        One of `REASONS`.
    what : str
        One sentence for the person concerned.
    hint : str
        What to do about it, where something can be done.
    """

    exit_code = EXIT_TRUST

    def __init__(self, reason: str, what: str, *, hint: str = "") -> None:
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is no reason to refuse.")
        super().__init__(what, hint=hint)
        self.reason = reason
