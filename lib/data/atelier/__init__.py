"""The atelier: paired paintings, music and words made from (seed, index) alone, so that the truth
is known. Subject, style and genre are drawn independently of valence and arousal."""

import pkgutil

import lazy_loader

# Seeds of the collections the workbook draws from; items of different seeds share nothing.
TRAIN_SEED, JUDGE_SEED, TEST_SEED = 1, 2, 3
__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
