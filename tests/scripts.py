"""Programs of scripts/ that tests call by their functions."""

import importlib.machinery
import importlib.util
import types
from pathlib import Path

PLACE = Path(__file__).parents[1] / "scripts"


def loaded(name: str) -> types.ModuleType:
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(PLACE / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
