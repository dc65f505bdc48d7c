"""The rehearsal's settings are paper's at other sizes."""

from conftest import leaves
from rehearsal import sizes

from lib.systems import bridging
from lib.systems.bridging import config

# numbers of items, steps, epochs and batches, seconds, widths
SIZES = {"side", "test_paintings", "test_seconds", "data.n_paintings", "data.n_pieces",
         "data.segment_seconds", "classifier.hidden", "classifier.width", "classifier.n_paintings",
         "classifier.n_steps", "classifier.batch_size", "classifier.warm_up", "classifier.every",
         "music.epochs", "music.batch_size", "music.warm_up", "music.clip_seconds", "music.every"}


def test_a_rehearsal_changes_sizes_alone():
    paper, rehearsed = map(leaves, (config.PROFILES["paper"], sizes.of(bridging)))
    assert paper.keys() == rehearsed.keys()
    differing = {name for name in paper if paper[name] != rehearsed[name]}
    assert differing == SIZES
    assert all(type(paper[name]) in (int, float) and rehearsed[name] < paper[name]
               for name in differing)


def test_paper_is_the_published_protocol(monkeypatch):
    paper = config.get_config("paper")
    assert paper.data.origin == paper.data.how == "published" and not paper.bundled
    assert paper.music.frozen == ("enc_to_dec_proj",)
    mini = config.get_config("mini")
    sizes.install(monkeypatch.setitem)
    assert config.get_config("paper") == sizes.of(bridging) != paper
    assert config.get_config("mini") is mini
