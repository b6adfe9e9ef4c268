"""The mods that a data owner's policy puts around every app, whatever the app says.

A mod is any callable ``mod(message, context, app)``, named ``module:attribute``. They are imported before the
app is, so that nothing the app brings can take their place. Standard library only: this runs in the app's
environment, where little of ours may be installed.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from syft_flwr_cli.errors import UsageError

__all__ = ["load_mods", "wrap"]

App = Callable[[Any, Any], Any]
Mod = Callable[[Any, Any, App], Any]


def load_mods(names: Sequence[str]) -> tuple[Mod, ...]:
    """The mods, imported.

    Must be called before the folder of any app is put where Python looks for modules: an app that brings a
    module of the same name would otherwise take the place of the mod.

    Raises
    ------
    UsageError
        If one cannot be imported, or is no callable. Nothing may be executed then.
    """
    mods = []
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            mod = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"The mod {name}, required by the data owner's policy, cannot be loaded: {error}.",
                hint=f"Install it for {sys.executable}, or correct required_mods in the policy.",
            ) from error
        if not callable(mod):
            raise UsageError(f"The mod {name} is no callable.", hint="Correct required_mods in the policy.")
        mods.append(mod)
    return tuple(mods)


def wrap(app: App, mods: Sequence[Mod]) -> App:
    """``app(message, context)`` with ``mods`` around it, the first outermost."""
    for mod in reversed(mods):
        app = _around(mod, app)
    return app


def _around(mod: Mod, inner: App) -> App:
    return lambda message, context: mod(message, context, inner)
