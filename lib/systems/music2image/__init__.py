"""Generate Image from Music Emotion: a piece of music becomes a picture by way of two numbers.

    music [N] ─► features [135] ─forest─► (valence, arousal) [2] ─diffusion or WGAN-GP─► picture
                 lib/signal   train_forest.py         train_diffusion.py, train_gan.py

config.py: settings of all stages · data.py: what they learn from · generate.py: the chain, music to
picture · evaluate.py: the forest's scores, and tables on real collections · schedule.py: the
diffusion model's schedules and samplers · original_code.py: faults of the released code · grey.py:
one experiment, why pictures were grey.

Known deviations: valence and arousal lie in [−1, 1] everywhere (published: 1–9 beside 0–1) · Optuna
never sees the test set · the diffusion model's null is learned and its schedule ends at zero signal
(both can be switched).

Source: Zhang. Notebook: 30–35.
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
