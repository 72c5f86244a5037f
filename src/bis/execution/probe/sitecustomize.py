# Imported by each Python that a run starts, whatever its version: kept to what every Python can read.
import os
import sys

if sys.version_info >= (3, 7):
    import bis_probe

    bis_probe.install()


def _chain():
    """Import the sitecustomize that this one hides: the environment's, the distribution's or the user's."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if os.path.abspath(entry or os.getcwd()) != here]
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    from importlib.util import module_from_spec

    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


if sys.version_info >= (3, 5):
    _chain()
