"""The four profiles: names; what one means for a system stands in the system's ``PROFILES``."""

import os

from lib.core.errors import one_of

PROFILES = {"smoke": "seconds a notebook: shows that everything runs; its numbers, "
            "and the verdicts computed from them, mean nothing",
            "mini": "minutes on two cores: everything is trained for real, small, "
            "from the bundled miniatures", "gpu": "one GPU: atelier data, published sizes",
            "paper": "published data, weights and settings"}
PROFILE_VARIABLE = "KLANGFARBE_PROFILE"  # nbval cannot inject parameters: the environment can
# set by ``python -m lib rehearse``: paper's branches and flags, at toy sizes
REHEARSAL_VARIABLE = "KLANGFARBE_REHEARSAL"
REHEARSED = {"paper": "smoke"}  # profile → whose sizes a rehearsal of it has


def sizes(profile: str) -> str:
    """The profile whose sizes hold: its own, but for a rehearsal."""
    return REHEARSED.get(profile, profile) if rehearsing() else profile


def rehearsing() -> bool:
    """Whether this process rehearses: its networks are random, its numbers mean nothing."""
    return bool(os.environ.get(REHEARSAL_VARIABLE))


def active(notebook_profile: str) -> str:
    """The profile to run at: ``KLANGFARBE_PROFILE`` where it is set, else the notebook's own."""
    name = os.environ.get(PROFILE_VARIABLE) or notebook_profile
    one_of(PROFILES, name, "a profile")
    return name
