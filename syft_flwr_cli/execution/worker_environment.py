"""The environment of an app's process: an allow-list, so that nothing that happens to be set is handed on.

Cloud credentials, tokens, proxies with passwords and whatever else stands in a shell are not the app's. What it gets
is what a program needs to run at all: where things are, the language, the threads of the numerical libraries, the
devices. What else an app needs its data owner grants by name.
"""

from collections.abc import Iterable, Mapping
from typing import Final

__all__ = ["app_environment"]

_NAMES: Final = frozenset(
    {
        "CONDA_PREFIX",
        "CUBLAS_WORKSPACE_CONFIG",
        "HF_DATASETS_CACHE",
        "HF_HOME",
        "HOME",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOGNAME",
        "NO_COLOR",
        "PATH",
        "PYTHONHASHSEED",
        "PYTHONWARNINGS",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TORCH_HOME",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "XDG_CACHE_HOME",
    }
)

_BEGINNINGS: Final = (
    "BLIS_",
    "CUDA_",
    "DYLD_",
    "FLWR_TELEMETRY",
    "FLWR_HOME",
    "GOMP_",
    "HIP_",
    "KMP_",
    "LC_",
    "MKL_",
    "NUMEXPR_",
    "NVIDIA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "ROCR_",
    "SYFT_FLWR_FAULT_",  # the points at which the fault tests kill processes
    "TF_",
    "VECLIB_",
    "XLA_",
)


def app_environment(environment: Mapping[str, str], granted: Iterable[str] = ()) -> dict[str, str]:
    """What of ``environment`` an app's process gets; ``granted`` are names that its data owner adds."""
    names = {*_NAMES, *granted}
    return {key: value for key, value in environment.items() if key in names or key.startswith(_BEGINNINGS)}
