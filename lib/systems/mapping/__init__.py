"""Learning cross-modal embedding mappings (Deepika): a picture's vector becomes what conditions a
music model. Begin with :mod:`.generate`; the projection is trained in :mod:`.train_projection`."""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
