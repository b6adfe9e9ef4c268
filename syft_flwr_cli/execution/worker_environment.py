"""The environment of an app's process, by where it runs: what is handed on of what happens to be set.

A ClientApp gets an allow-list: cloud credentials, tokens, proxies with passwords and whatever else stands in a shell
are not the app's. What it gets is what a program needs to run at all: where things are, the language, the threads of
the numerical libraries, the devices; in a sandbox, nothing that names places outside of it. What else an app needs
its data owner grants by name. A ServerApp runs for the person who started it and gets what that person has set, but
no passphrase of keys.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from syft_flwr_cli.storage.crash_points import FAULT_LOG, FAULT_POINT

__all__ = ["app_environment", "sandbox_environment", "server_environment"]

_SANDBOXED: Final = frozenset(
    {
        "COLUMNS",
        "CUBLAS_WORKSPACE_CONFIG",
        "CUDA_VISIBLE_DEVICES",
        "FLWR_TELEMETRY_ENABLED",
        "LANG",
        "LANGUAGE",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUNBUFFERED",
        "TZ",
        "VECLIB_MAXIMUM_THREADS",
        FAULT_LOG,
        FAULT_POINT,
    }
)

_OUTSIDE: Final = frozenset(
    {
        "CONDA_PREFIX",
        "HF_DATASETS_CACHE",
        "HF_HOME",
        "HOME",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOGNAME",
        "NO_COLOR",
        "PYTHONWARNINGS",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TORCH_HOME",
        "USER",
        "VIRTUAL_ENV",
        "XDG_CACHE_HOME",
    }
)

_BEGINNINGS_OUTSIDE: Final = (
    "BLIS_",
    "CUDA_",
    "DYLD_",
    "FLWR_TELEMETRY",
    "FLWR_HOME",
    "GOMP_",
    "HIP_",
    "KMP_",
    "MKL_",
    "NUMEXPR_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "ROCR_",
    "TF_",
    "VECLIB_",
    "XLA_",
)


_SECRET: Final = "SYFT_FLWR_PASSPHRASE"


def app_environment(environment: Mapping[str, str], granted: Iterable[str] = ()) -> dict[str, str]:
    """What of ``environment`` a ClientApp's process gets; ``granted`` are names that its data owner adds."""
    names = {*_SANDBOXED, *_OUTSIDE, *granted}
    return _chosen(environment, names, ("LC_", *_BEGINNINGS_OUTSIDE))


def sandbox_environment(environment: Mapping[str, str], granted: Iterable[str] = ()) -> dict[str, str]:
    """What of ``environment`` a ClientApp's process in a sandbox gets; ``granted`` as for `app_environment`."""
    return _chosen(environment, {*_SANDBOXED, *granted}, ("LC_",))


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of ``environment`` a ServerApp's process gets."""
    return {key: value for key, value in environment.items() if key != _SECRET}


def _chosen(
    environment: Mapping[str, str], names: Iterable[str], beginnings: tuple[str, ...]
) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key in names or key.startswith(beginnings)}
