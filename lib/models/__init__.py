"""Networks only: each readable in one sitting, axes named."""

from lib.core import on_demand

__getattr__ = on_demand.submodules(__name__, __path__)
