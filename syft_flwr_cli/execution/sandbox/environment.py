"""Which variables of the environment a sandboxed app gets: a list of names, and what was granted."""

from collections.abc import Mapping, Sequence

from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT

__all__ = ["sandbox_environment"]

_ALLOWED = frozenset(
    (
        *(
            "PATH",
            "LANG",
            "LANGUAGE",
            "TZ",
            "PYTHONUNBUFFERED",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONPYCACHEPREFIX",
        ),
        *(
            "PYTHONHASHSEED",
            "OMP_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "MKL_NUM_THREADS",
            "NUMEXPR_NUM_THREADS",
        ),
        *(
            "VECLIB_MAXIMUM_THREADS",
            "CUDA_VISIBLE_DEVICES",
            "CUBLAS_WORKSPACE_CONFIG",
            "FLWR_TELEMETRY_ENABLED",
        ),
        *(FAULT_POINT, FAULT_LOG, "COLUMNS"),
    )
)


def sandbox_environment(environment: Mapping[str, str], granted: Sequence[str]) -> dict[str, str]:
    """What of ``environment`` the app gets."""
    return {
        name: value
        for name, value in environment.items()
        if name in _ALLOWED or name.startswith("LC_") or name in granted
    }
