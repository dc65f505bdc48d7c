"""The atelier's words, words.json: where each stands on the affect plane, what each subject looks
like, and the sentences they stand in. Positions are tenths, valence and arousal in [−10, 10],
placed by us after Russell (1980) and the order of the NRC VAD lexicon. Notebook: 02."""

import json
from pathlib import Path

_WORDS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))


def _tuples(name: str) -> dict[str, tuple]:
    return {word: tuple(entry) for word, entry in _WORDS[name].items()}


# word → (valence, arousal)
FEELINGS, IMAGES, LOOKS, MOODS = map(_tuples, ("feelings", "images", "looks", "moods"))
# subject: what a commentator calls it, then what a caption may say of it; none leans on affect
SEEN = {subject: (called, tuple(seen)) for subject, (called, *seen) in _WORDS["seen"].items()}
# name → phrases for it
STYLE_NAMES, GENRE_NAMES = map(_tuples, ("style_names", "genre_names"))
STUFF, LOUD = map(_tuples, ("stuff", "loud"))
# sentences with places for words
CAPTIONS, COMMENTS, DESCRIPTIONS = (tuple(_WORDS[name])
                                    for name in ("captions", "comments", "descriptions"))
