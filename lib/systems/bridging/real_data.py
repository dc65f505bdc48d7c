"""The published collections: WikiArt-Emotions' paintings and the MIREX-like mood dataset's MIDI
files, each with one of five emotion words; :func:`.data.load_published` pairs them.

Source: Hisariya & Liang §V.A (classes chosen by hand, no rule given; ours is :data:`GROUPS`);
Mohammad & Kiritchenko (2018) for the ratings and the threshold of 40 %. Notebook: 11, 13."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import soxr

from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry
from lib.data.atelier import render
from lib.data.collections import music, pictures
from lib.signal import affect

# Each emotion under the word nearest to its point, save happiness (happy), fear (angry) and
# humility (neutral, which else would hold five paintings).
GROUPS = {
    "happy": ("happiness", "love", "gratitude", "optimism", "trust", "agreeableness"),
    "fun": ("surprise", "anticipation"),
    "angry": ("anger", "disgust", "disagreeableness", "arrogance", "fear"),
    "sad": ("sadness", "pessimism", "regret", "shame", "shyness"),
    "neutral": ("neutral", "humility"),
}
RATE_HZ, SIDE = 32_000, 384  # of the rendered pieces; of the pictures, what BLIP-large sees
WIKIART, MIREX = (registry.COLLECTIONS[name] for name in ("wikiart_emotions", "mirex"))
PAINTINGS, MUSIC = WIKIART.folders, MIREX.folders


def five_words(shares) -> pd.DataFrame:
    """Shares of annotators [N, 20] in [0, 1], in the order of ``affect.WIKIART_POINTS``, as five
    columns, the largest share in each word's group, and ``emotion``, the word whose share is the
    only largest and at least 40 %, else ``None``."""
    shares, names = np.asarray(shares, np.float64), list(affect.WIKIART_POINTS)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise KlangfarbeError("shares of annotators in [0, 1]", "others, or gaps",
                              "divide counts by annotators")
    words = np.array(list(affect.EMOTION_POINTS), dtype=object)
    best = np.stack([shares[:, [names.index(name) for name in GROUPS[word]]].max(1)
                     for word in words], axis=1)  # [N, 5]
    ranked = np.sort(best, axis=1)
    sure = (ranked[:, -1] >= 0.4) & (ranked[:, -1] > ranked[:, -2])
    return pd.DataFrame(best, columns=list(words)).assign(
        emotion=pd.Series(np.where(sure, words[best.argmax(1)], np.array(None)), dtype=object))


def label_wikiart(folder: Path) -> pd.DataFrame:
    """WikiArt-Emotions' paintings: the manifest's rows (``path`` may be null) with ``emotion`` out
    of five or null, ``artist`` (up to 13 works of one painter) and the five words' shares."""
    rows, rated = WIKIART.manifest(folder, paintings_only=True), pictures.wikiart_shares(folder)
    rated = rated.set_index("wikiart-" + rated["id"]).loc[rows["item_id"]]
    words = five_words(rated[list(affect.WIKIART_POINTS)]).set_index(rows.index)
    rows = rows.assign(artist=rated["artist"].to_numpy(object), **words)
    rows["artist"] = rows["artist"].where(rows["artist"].notna(), rows["item_id"])
    return rows


def intact_paintings(folder: Path, work_folder: Path) -> tuple:
    """Paintings with a word whose picture is whole, and the rejects ``item, file, reason``."""
    rows: Any = label_wikiart(folder).dropna(subset=["path", "emotion"])
    if not len(rows):
        raise KlangfarbeError(f"pictures of paintings in {folder}", "none",
                              "fetch them as images/<ID>.jpg (see data/README.md)")
    built = manifest.build(rows[list(manifest.COLUMNS)].to_dict("records"),
                           Path(work_folder) / "paintings", root=folder)
    rejects = built.rejects.rename(columns={"item_id": "item", "path": "file"})
    rows = rows[rows["item_id"].isin(built.manifest["item_id"])].reset_index(drop=True)
    return rows, rejects[["item", "file", "reason"]]


def select_paintings(rows: Any, n: int, at_most: dict[str, int], seed: int = 0) -> Any:
    """`n` paintings, the words as evenly as possible and each ``at_most`` so often, of each word
    those with the highest ``share`` of annotators; `seed` orders equals."""
    ranked = np.sort(rows[list(affect.EMOTION_POINTS)].to_numpy(float), axis=1)
    rows = rows.assign(share=ranked[:, -1], lead=ranked[:, -1] - ranked[:, -2],
                       order=np.random.default_rng(seed).permutation(len(rows)))
    counts = {word: min(count, at_most.get(word, count))
              for word, count in rows["emotion"].value_counts().to_dict().items()}
    quota = {}
    for place, word in enumerate(sorted(counts, key=lambda word: (counts[word], word))):
        quota[word] = min(counts[word], (n - sum(quota.values())) // (len(counts) - place))
    best = rows.sort_values(["share", "lead", "order"], ascending=False)
    best = best[best.groupby("emotion").cumcount() < best["emotion"].map(quota)]
    return best.sort_index().drop(columns=["lead", "order"]).reset_index(drop=True)


def render_pieces(folder: Path, sounds: Path, *, shortest_s: float) -> tuple:
    """MIREX's MIDI files rendered to FLAC below `sounds`, where they are not there already: all
    pieces that can be played, 193 or 196, each with the word nearest to its adjective's point, and
    the rejects ``item, file, reason``."""
    rows: Any = MIREX.manifest(folder)
    rows, scores = rows[rows["modality"] == "midi"], music.mirex_home(folder) / "MIDIs"
    renders, broken = render.render_folder(scores, sounds, sample_rate_hz=RATE_HZ)
    rows = rows.assign(file=[(Path(folder) / path).relative_to(scores).as_posix()
                             for path in rows["path"]],
                       piece=rows["item_id"].str.removesuffix("-midi").astype(object),
                       piece_group=rows["group_id"].astype(object), adjective=rows["emotion"],
                       emotion=[affect.emotion_word(*point) for point
                                in zip(rows["valence"], rows["arousal"], strict=True)])
    pieces, broken = rows.merge(renders, on="file"), rows.merge(broken, on="file")
    short = pieces[pieces["seconds"] < shortest_s]
    short = short.assign(reason=short["seconds"].map("{:.1f} s, shorter than a segment".format))
    pieces = pieces[pieces["seconds"] >= shortest_s].reset_index(drop=True)
    rejects = pd.concat([table[["piece", "file", "reason"]] for table in (broken, short)],
                        ignore_index=True)
    return (pieces[["piece", "piece_group", "emotion", "adjective", "seconds", "sound"]],
            rejects.rename(columns={"piece": "item"}))


@dataclass
class Clips(Sequence):
    """Segments of rendered pieces, each read when asked for: float32 [seconds · sample_rate_hz]."""

    files: list[Path]
    starts_s: list[float]
    seconds: float
    sample_rate_hz: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> np.ndarray:
        sound, _ = soundfile.read(self.files[row], round(self.seconds * RATE_HZ),
                                  round(self.starts_s[row] * RATE_HZ), dtype="float32")
        if self.sample_rate_hz != RATE_HZ:
            sound = soxr.resample(sound, RATE_HZ, self.sample_rate_hz)
        length = round(self.seconds * self.sample_rate_hz)  # resampling may end a sample early
        return np.pad(sound[:length], (0, length - min(length, len(sound))))
