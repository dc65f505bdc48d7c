"""The rehearsal's settings are paper's at other sizes."""

from conftest import leaves

from lib.core import profiles
from lib.systems.bridging import config

# numbers of items, steps, epochs and batches, seconds, widths
SIZES = {"side", "test_paintings", "test_seconds", "data.n_paintings", "data.n_pieces",
         "data.segment_seconds", "classifier.hidden", "classifier.width", "classifier.n_paintings",
         "classifier.n_steps", "classifier.batch_size", "classifier.warm_up", "classifier.every",
         "music.epochs", "music.batch_size", "music.warm_up", "music.clip_seconds", "music.every"}


def test_a_rehearsal_changes_sizes_alone():
    paper, rehearsed = (leaves(config.PROFILES[name]) for name in ("paper", "rehearsal"))
    assert paper.keys() == rehearsed.keys()
    differing = {name for name in paper if paper[name] != rehearsed[name]}
    assert differing == SIZES
    assert all(type(paper[name]) in (int, float) and rehearsed[name] < paper[name]
               for name in differing)


def test_paper_is_the_published_protocol(monkeypatch):
    paper = config.get_config("paper")
    assert paper.data.origin == paper.data.how == "published" and not paper.bundled
    assert paper.music.frozen == ("enc_to_dec_proj",)
    monkeypatch.setenv(profiles.REHEARSAL_VARIABLE, "1")
    assert config.get_config("paper") is config.PROFILES["rehearsal"]
    assert config.get_config("mini") is config.PROFILES["mini"]
