"""The published collections: WikiArt-Emotions' paintings and the MIREX-like mood dataset's MIDI
files, each with one of five emotion words; :func:`.data.load_published` pairs them.

A painting gets the word whose group holds the most-named emotion, where 40 % of its annotators
named it and no other ties; a piece gets the word nearest to its adjective's point. :data:`GROUPS`
gives each emotion to the word nearest to its point, save happiness (to happy), humility (to
neutral, which else would hold five paintings) and fear (to angry).

Source: Hisariya & Liang §V.A (classes chosen by hand, no rule given); Mohammad & Kiritchenko (2018)
for the ratings and the threshold of 40 %. Notebook: 11, 13.

Known deviations: the two rules above stand for one person's choice · of each word the paintings are
taken on which most annotators agreed, the words as evenly as both sides allow · all pieces that can
be rendered are taken, 193 or 196.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import soxr

from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry
from lib.data.atelier import render
from lib.data.collections import mirex, pictures
from lib.signal import affect

GROUPS = {
    "happy": ("happiness", "love", "gratitude", "optimism", "trust", "agreeableness"),
    "fun": ("surprise", "anticipation"),
    "angry": ("anger", "disgust", "disagreeableness", "arrogance", "fear"),
    "sad": ("sadness", "pessimism", "regret", "shame", "shyness"),
    "neutral": ("neutral", "humility"),
}
AGREEMENT = 0.4
RATE_HZ, SIDE = 32_000, 384  # of the rendered pieces; of the pictures, what BLIP-large sees
WIKIART, MIREX = (registry.COLLECTIONS[name] for name in ("wikiart_emotions", "mirex"))
PAINTINGS, MUSIC = WIKIART.folders, MIREX.folders


def five_words(shares, agreement: float = AGREEMENT) -> pd.DataFrame:
    """Shares of annotators [N, 20] in [0, 1], in the order of ``affect.WIKIART_POINTS``, as five
    columns, the largest share in each word's group, and ``emotion``, the leading word or ``None``.
    """
    shares, names = np.asarray(shares, np.float64), list(affect.WIKIART_POINTS)
    if shares.shape[1:] != (len(names),) or not ((shares >= 0) & (shares <= 1)).all():
        raise KlangfarbeError(f"shares of annotators [N, {len(names)}] in [0, 1]",
                              f"{shares.shape}, or gaps", "divide counts by annotators")
    words = np.array(list(affect.EMOTION_POINTS), dtype=object)
    best = np.stack([shares[:, [names.index(name) for name in GROUPS[word]]].max(1)
                     for word in words], axis=1)  # [N, 5]
    ranked = np.sort(best, axis=1)
    sure = (ranked[:, -1] >= agreement) & (ranked[:, -1] > ranked[:, -2])
    return pd.DataFrame(best, columns=list(words)).assign(
        emotion=pd.Series(np.where(sure, words[best.argmax(1)], None), dtype=object))


def label_wikiart(folder: Path | str, *, pictures_only: bool = False) -> pd.DataFrame:
    """WikiArt-Emotions' paintings: the manifest's rows with ``emotion`` out of five or null,
    ``artist`` (up to 13 works of one painter) and the five words' shares.
    """
    rows, rated = WIKIART.manifest(folder, paintings_only=True), pictures.wikiart_shares(folder)
    rated = rated.set_index("wikiart-" + rated["id"]).loc[rows["item_id"]]
    words = five_words(rated[list(affect.WIKIART_POINTS)]).set_index(rows.index)
    rows = rows.assign(artist=rated["artist"].to_numpy(object), **words)
    rows["artist"] = rows["artist"].where(rows["artist"].notna(), rows["item_id"])
    return rows[rows["path"].notna()].reset_index(drop=True) if pictures_only else rows


def intact_paintings(folder: Path | str,
                     work_folder: Path | str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Paintings with a word whose picture is whole, and the rejects ``item, file, reason``."""
    rows = label_wikiart(folder, pictures_only=True)
    if not len(rows):
        raise KlangfarbeError(f"pictures of paintings in {folder}", "none",
                              "fetch them as images/<ID>.jpg (see data/README.md)")
    rows = rows[rows["emotion"].notna()]
    built = manifest.build(rows[list(manifest.COLUMNS)].to_dict("records"),
                           Path(work_folder) / "paintings", root=folder)
    rejects = built.rejects.rename(columns={"item_id": "item", "path": "file"})
    rows = rows[rows["item_id"].isin(built.manifest["item_id"])].reset_index(drop=True)
    return rows, rejects[["item", "file", "reason"]]


def select_paintings(rows: pd.DataFrame, n: int, at_most: dict[str, int] | None = None,
                     seed: int = 0) -> pd.DataFrame:
    """`n` paintings, the words as evenly as possible and each ``at_most`` so often, of each word
    those with the highest ``share`` of annotators; `seed` orders equals.
    """
    ranked = np.sort(rows[list(affect.EMOTION_POINTS)].to_numpy(float), axis=1)
    rows = rows.assign(share=ranked[:, -1], lead=ranked[:, -1] - ranked[:, -2],
                       order=np.random.default_rng(seed).permutation(len(rows)))
    counts = {word: min(int(count), (at_most or {}).get(word, int(count)))
              for word, count in rows["emotion"].value_counts().items()}
    quota = quotas(counts, n)
    best = rows.sort_values(["share", "lead", "order"], ascending=False)
    place = best.groupby("emotion").cumcount()
    best = best[place < best["emotion"].map(quota)]
    return best.sort_index().drop(columns=["lead", "order"]).reset_index(drop=True)


def quotas(counts: dict[str, int], n: int) -> dict[str, int]:
    """How many of each word to take: `n` in all if there are as many, as evenly as possible."""
    taken = {}
    for place, word in enumerate(sorted(counts, key=lambda word: (counts[word], word))):
        taken[word] = min(counts[word], n // (len(counts) - place))
        n -= taken[word]
    return taken


def render_pieces(folder: Path | str, sounds: Path | str, *,
                  shortest_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """MIREX's MIDI files rendered to FLAC below `sounds`, where they are not there already: the
    pieces, and the rejects ``item, file, reason``.
    """
    rows, scores = MIREX.manifest(folder), mirex.home(folder) / "MIDIs"
    rows = rows[rows["modality"] == "midi"]
    if not len(rows):
        raise KlangfarbeError(f"MIDI files in {scores}", "none", f"get them from {MIREX.url}")
    renders, broken = render.render_folder(scores, sounds, sample_rate_hz=RATE_HZ)
    rows = rows.assign(file=[(Path(folder) / path).relative_to(scores).as_posix()
                             for path in rows["path"]],
                       piece=rows["item_id"].str.removesuffix("-midi").astype(object),
                       piece_group=rows["group_id"].astype(object), adjective=rows["emotion"],
                       emotion=[affect.emotion_word(*point) for point
                                in zip(rows["valence"], rows["arousal"], strict=True)])
    pieces, broken = rows.merge(renders, on="file"), rows.merge(broken, on="file")
    if not len(pieces):
        raise KlangfarbeError(f"MIDI files in {scores} that can be played",
                              f"none of {len(rows)}, {broken['file'].iloc[0]}: "
                              f"{broken['reason'].iloc[0]}", f"get them from {MIREX.url}")
    short = pieces[pieces["seconds"] < shortest_s]
    short = short.assign(reason=short["seconds"].map("{:.1f} s, shorter than a segment".format))
    pieces = pieces[pieces["seconds"] >= shortest_s].reset_index(drop=True)
    rejects = pd.concat([table[["piece", "file", "reason"]] for table in (broken, short)],
                        ignore_index=True)
    return (pieces[["piece", "piece_group", "emotion", "adjective", "seconds", "sound"]],
            rejects.rename(columns={"piece": "item"}))


@dataclass
class Clips(Sequence):
    """Segments of sound files, each decoded when asked for: float32 [seconds · sample_rate_hz]."""

    files: list[Path]
    starts_s: list[float]
    seconds: float
    sample_rate_hz: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        file, start_s = self.files[row], self.starts_s[row]
        do = "remove the sound file: it is then rendered anew"
        try:
            rate = soundfile.info(file).samplerate
            sound, _ = soundfile.read(file, round(self.seconds * rate), round(start_s * rate),
                                      dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError) as error:
            raise KlangfarbeError(f"a sound file at {file}", f"{error}"[:80], do) from error
        if len(sound) < round(self.seconds * rate):
            raise KlangfarbeError(f"{self.seconds:g} s from {start_s:g} s on in {file}",
                                  f"{len(sound) / rate:.2f} s", do)
        sound, length = sound.mean(1), round(self.seconds * self.sample_rate_hz)
        if rate != self.sample_rate_hz:
            sound = soxr.resample(sound, rate, self.sample_rate_hz)[:length]
        # resampling may end a sample early
        return np.pad(sound, (0, length - len(sound))).astype(np.float32, copy=False)
