"""Art2Music (Hong et al.): a painting and a comment become a fused vector, a mel-spectrogram and
sound. Begin with :mod:`.generate`.
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
