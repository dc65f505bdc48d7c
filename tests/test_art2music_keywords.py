"""ArtiCaps' consistency: similarities by hand, Table III's luck in closed form, planted agreement
found and unrelated pairs let go.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.systems.art2music import data, keywords
from lib.systems.art2music.config import get_config

LEXICON = {"calm": 2, "happy": 3, "sad": -2, "scared": -3, "table": 0}
LETTERS = {"calm": (1, 0), "happy": (1, 0), "happy, calm": (1, 0), "sad": (0, 1), "scared": (-1, 0),
           "table": (0, 2)}


class Plain:
    """An encoder whose vectors are known."""

    def embed_text(self, texts):
        return np.array([LETTERS[text] for text in texts], np.float32)


def sides(said, captions, rows):
    comments = pd.DataFrame({"comment_id": [f"c{k}" for k in range(len(said))], "comment": said,
                             "emotion": "something else"})
    clips = pd.DataFrame({"clip": [f"m{k}" for k in range(len(captions))], "caption": captions})
    pairs = pd.DataFrame({"comment_id": comments["comment_id"], "clip_row": rows,
                          "audio_id": clips["clip"].to_numpy()[rows],
                          "image_group": [f"p{k}" for k in range(len(said))]})
    return pairs, comments, clips


def test_similarity_and_polarity_by_hand():
    pairs, comments, clips = sides(["So happy and calm.", "I am sad.", "Who knows?",
                                    "It is scared."], ["a calm piece", "a table of drums",
                                                       "no mood at all"], [0, 1, 0, 2])
    found = keywords.compare_keywords(pairs, comments, clips, Plain(), LEXICON)
    assert found["painting"].tolist() == ["positive", "negative", "neutral", "negative"]
    assert found["audio"].tolist() == ["positive", "neutral", "positive", "neutral"]
    assert found["similarity"].tolist()[:2] == [1,
                                                1] and found["similarity"].isna().tolist() == [
        False, False, True, True]
    assert keywords.polarity_shares(found).loc["painting"].tolist() == [0.25, 0.25, 0.5]
    with pytest.raises(KlangfarbeError, match="a pair for each comment"):
        keywords.compare_keywords(pairs.iloc[::-1], comments, clips, Plain(), LEXICON)


def test_luck_of_the_published_shares():
    printed = pd.DataFrame({"positive": [0.55, 0.49], "neutral": [0.13, 0.17],
                            "negative": [0.32, 0.33]}, index=["painting", "audio"])
    assert keywords.chance_agreement(printed) == pytest.approx(0.55 * 0.49 + 0.13 * 0.17 + 0.32
                                                                  * 0.33)
    assert 0.39 < keywords.chance_agreement(
        printed) < 0.40, "the printed 47 % have .40 to beat, not a third"


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_planted_agreement_is_found_and_unrelated_pairs_are_not(kept):
    rng, names = np.random.default_rng(3), np.array(keywords.POLARITIES)
    painting = rng.choice(names, 300, p=[0.5, 0.2, 0.3])
    audio = np.where(rng.random(300) < kept, painting, rng.choice(names, 300, p=[0.5, 0.2, 0.3]))
    found = pd.DataFrame({"painting": painting, "audio": audio,
                          "similarity": np.linspace(0, 1, 300),
                          "audio_id": rng.integers(60, size=300),
                          "image_group": np.arange(300) // 2})
    agreed = keywords.agreement_scores(found)
    value, low, high, n, null = agreed["same_polarity"]
    assert n == 300 and low <= value <= high
    assert (low > null) if kept else (value < null + 0.05
                                      and abs(value
                                              - keywords.chance_agreement(
                keywords.polarity_shares(found))) < 0.08)
    assert agreed["cosine_below_a_quarter"][0] == pytest.approx(0.25, abs=0.01)


def test_on_the_atelier_matching_by_words_keeps_polarity():
    config = replace(get_config("smoke").data, n_paintings=60, n_clips=80)
    comments, clips = data.atelier_texts(config)
    encoder = pretrained.load("sentences", device="cpu")
    pairs = data.match_pairs(comments, clips, encoder, "published")
    found = keywords.compare_keywords(pairs, comments, clips, encoder,
                                         keywords.atelier_lexicon())
    value, low, _, n, null = keywords.agreement_scores(found)["same_polarity"]
    assert n == len(comments) and low > null, (
        "the bundled encoder was trained to hear feeling; dealt to others it must fall")
    assert (found["similarity"].dropna().abs() <= 1
            + 1e-5).all() and found["similarity"].notna().mean() > 0.9


def test_real_captions_have_a_polarity(real_data):
    captions = pd.read_csv(real_data("musiccaps") / "musiccaps-public.csv")["caption"]
    lexicon = keywords.load_afinn(real_data("lexicons") / "afinn" / "AFINN-111.txt")
    found = pd.Series([keywords.polarity(keywords.extract(text, lexicon), lexicon)
                       for text in captions]).value_counts(normalize=True)
    assert len(captions) == 5521 and found["positive"] > found[
        "negative"] > 0.05 and found.sum() == pytest.approx(1)
