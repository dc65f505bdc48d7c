"""The atelier: paired paintings, music and words made from (seed, index) alone, so that the truth
is known. Subject, style and genre are drawn independently of valence and arousal."""

from lib.core import on_demand

# Seeds of the collections the workbook draws from; items of different seeds share nothing.
TRAIN_SEED, JUDGE_SEED, TEST_SEED = 1, 2, 3
__getattr__ = on_demand.submodules(__name__, __path__)
