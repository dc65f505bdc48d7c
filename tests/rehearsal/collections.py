"""Small replicas of the collections that profile ``paper`` reads, in their publishers' own layouts:
pictures and pieces of the atelier under the publishers' names and headings."""

import functools
import io
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from PIL import Image

from lib.data.atelier import compose, factors, lexicon, paint, render, words
from lib.signal import affect

SEED, SIDE, RATE_HZ = 77, 64, render.SAMPLE_RATE_HZ
N = 60  # items of each
SECONDS = 3.0
# of WikiArt Emotions and of MIREX, what becomes each of S1's words
LEADING = {"happy": "happiness", "fun": "surprise", "angry": "anger", "sad": "sadness",
           "neutral": "neutral"}
ADJECTIVE = {"happy": (2, "Cheerful"), "fun": (4, "Silly"), "angry": (5, "Agressive"),
             "sad": (3, "Wistful"), "neutral": (3, "Literate")}
ARTEMIS = {"happy": "contentment", "fun": "amusement", "angry": "anger", "sad": "sadness",
           "neutral": "something else"}
AUDIOSET = "/m/04rlf,/m/05r5c"  # music, piano
_painted = functools.cache(paint.paint)  # several publishers have the same ones


def write_collections(root: Path) -> None:
    """All of them below `root`, which ``KLANGFARBE_REAL_DATA`` then names."""
    items = [factors.draw(SEED, index) for index in range(3 * N)]
    for make in (wikiart_emotions, mirex):  # S1 tests on a tenth of its pairs
        make(root / make.__name__, items)
    for make in (imemnet, melbench, deam, pmemo, cgna10766, artemis, musiccaps):
        make(root / make.__name__, items[:N])


@functools.cache
def _encoded(item, form: str) -> bytes:
    file, sound = io.BytesIO(), render.render_items([item], SECONDS, RATE_HZ)[0]
    soundfile.write(file, np.asarray(sound), RATE_HZ, format=form)
    return file.getvalue()


def _picture(path: Path, item) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(_painted(item, SIDE)).save(path)
    return path.name


def _sound(path: Path, item) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_encoded(item, path.suffix[1:]))
    return path.name


def _table(path: Path, rows, separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(path, sep=separator, index=False)


def _lines(path: Path, lines) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def wikiart_emotions(root: Path, items) -> None:
    """``WikiArt-Emotions-All.tsv``, its headings for three ways of seeing, and ``images/``."""
    rows = []
    for k, item in enumerate(items):
        shares = dict.fromkeys(affect.WIKIART_POINTS, 0.1)
        shares[LEADING[words.emotion_word(item)]] = 0.6
        rows.append({"ID": f"58c6237cedc2c9c7dc0{k:05d}", "Style": "Modern Art",
                     "Category": item.style,
                     "Artist": f"{words.emotion_word(item)} painter {k % 5}", "Title": f"No. {k}",
                     "Year": 1900 + k, "Is painting": "yes"}
                    | {f"{seen}: {name}": share for name, share in shares.items()
                       for seen in ("Art (image+title)", "ImageOnly", "TitleOnly")})
        _picture(root / "images" / f"{rows[-1]['ID']}.jpg", item)
    _table(root / "WikiArt-Emotions-All.tsv", rows, "\t")


def mirex(root: Path, items) -> None:
    """``dataset/`` with ``Audio/``, ``MIDIs/``, the two lists of moods and the UTF-16 table."""
    inner, moods, about = root / "dataset", [], ["Filename ; Title ; Artist ; Genre ;"]
    (inner / "MIDIs").mkdir(parents=True, exist_ok=True)
    for k, item in enumerate(items, start=1):
        moods.append(ADJECTIVE[words.emotion_word(item)])
        # S1 plays the MIDI: a few sounds will do, whichever
        _sound(inner / "Audio" / f"{k:03d}.mp3", items[k % N])
        compose.compose(item, SECONDS).write(str(inner / "MIDIs" / f"{k:03d}.mid"))
        about.append(f"{k:03d}.mp3;A Song;{words.emotion_word(item)} band {k % 5};Rock, Pop;")
    _lines(inner / "clusters.txt", [f"Cluster {number}" for number, _ in moods])
    _lines(inner / "categories.txt", [mood for _, mood in moods])
    (inner / "dataset info.csv").write_bytes("\r\n".join(about).encode("utf-16"))


def imemnet(root: Path, items) -> None:
    """The three lists of song-clip, picture, score; ``images/``, ``music/``; IMEMNet-C's points."""
    n = len(items)
    pictures = [f"COCO_train2014_{k:012d}" for k in range(n)]
    clips = [f"{2 + k // 2}-{k % 2}" for k in range(n)]
    for k, item in enumerate(items):
        _picture(root / "images" / f"{pictures[k]}.jpg", item)
        _sound(root / "music" / f"{clips[k]}.mp3", item)
    ends = {"train": (0, 4 * n // 5), "val": (4 * n // 5, 9 * n // 10), "test": (9 * n // 10, n)}
    for name, (first, last) in ends.items():
        pairs = [(j, k) for j in range(first, last) for k in range(first, last)
                 if (j - k) % 3 == 0]
        scores = [float(np.exp(-np.hypot(items[j].valence - items[k].valence,
                                         items[j].arousal - items[k].arousal))) for j, k in pairs]
        _lines(root / f"{name}_matching.txt", [
            f"{clips[j]} {pictures[k]} {score:.6f}"
            for (j, k), score in zip(pairs, scores, strict=True)])
    for kind, names in (("image", pictures), ("music", clips)):
        _table(root / f"{kind}_va.csv", [
            {"img" if kind == "image" else "music": name, "valence": (item.valence + 1) / 2,
             "arousal": (item.arousal + 1) / 2}
            for name, item in zip(names, items, strict=True)])


def melbench(root: Path, items) -> None:
    """``data/<split>_final.json``, a line a triplet with its makers' paths; the files below."""
    lines = {"train": [], "val": [], "test": []}
    for k, item in enumerate(items):
        split = "train" if k < 0.8 * len(items) else "val" if k < 0.9 * len(items) else "test"
        image = _picture(root / "images" / f"y{k:05d}.png", item)
        sound = _sound(root / "audio" / f"m{k:05d}.wav", item)
        lines[split].append(pd.Series({
            "captions": words.description(item), "location": f"/data/audio/{sound}",
            "img_path": f"/data/images/{image}", "genre": item.genre}).to_json())
    for split, some in lines.items():
        _lines(root / "data" / f"{split}_final.json", some)


def deam(root: Path, items) -> None:
    """``annotations/annotations averaged per song/…``, ``metadata/``, ``MEMD_audio/``; as
    published, the axes of songs up to 1000 are exchanged."""
    rows, about = [], []
    for k, item in enumerate(items):
        song = (2, 1001, 2001)[k % 3] + k
        axes = [5 + 4 * item.valence, 5 + 4 * item.arousal]
        valence, arousal = axes[::-1] if song <= 1000 else axes
        rows.append({"song_id": song, " valence_mean": round(valence, 2), " valence_std": 1.0,
                     " arousal_mean": round(arousal, 2), " arousal_std": 1.0})
        about.append({"song_id": song, "file_name": f"{song}.mp3", "Artist": f"Artist {k // 2}",
                      "Song title": f"Song {k}", "Genre": item.genre})
        _sound(root / "MEMD_audio" / f"{song}.mp3", item)
    place = root / "annotations" / "annotations averaged per song" / "song_level"
    for name, old in (("1_2000", True), ("2000_2058", False)):
        _table(place / f"static_annotations_averaged_songs_{name}.csv",
               [row for row in rows if (row["song_id"] <= 2000) == old])
    _table(root / "metadata" / "metadata_2013.csv", about)


def pmemo(root: Path, items) -> None:
    """``PMEmo2019/`` with ``annotations/``, ``metadata.csv`` and ``chorus/``: no song of DEAM's."""
    inner, rows, about = root / "PMEmo2019", [], []
    for k, item in enumerate((factors.draw(SEED + 1, k) for k in range(len(items))), start=1):
        rows.append({"musicId": k, "Arousal(mean)": (item.arousal + 1) / 2,
                     "Valence(mean)": (item.valence + 1) / 2})
        about.append({"musicId": k, "fileName": f"{k}.mp3", "title": f"Song {k}",
                      "artist": f"Singer {k // 2}", "album": "", "duration": SECONDS,
                      "chorus_start_time": "00:10", "chorus_end_time": "00:13"})
        _sound(inner / "chorus" / f"{k}.mp3", item)
    _table(inner / "annotations" / "static_annotations.csv", rows)
    _table(inner / "metadata.csv", about)


def cgna10766(root: Path, items) -> None:
    """One table of means on 1 to 9 and ``Images/``."""
    _table(root / "CGnA10766.csv", [
        {"Image_Name": _picture(root / "Images" / f"{k:06d}.jpg", item),
         "Mean_Valence": 5 + 4 * item.valence, "Mean_Arousal": 5 + 4 * item.arousal}
        for k, item in enumerate(items, start=1)])


def artemis(root: Path, items) -> None:
    """``official_data/artemis_dataset_release_v0.csv`` and ``wikiart/<style>/``."""
    rows = []
    for k, item in enumerate(items):
        name = f"painter-{k // 2}_work-{k}"
        _picture(root / "wikiart" / "Impressionism" / f"{name}.jpg", item)
        rows += [{"art_style": "Impressionism", "painting": name, "repetition": 2,
                  "emotion": ARTEMIS[words.emotion_word(item)], "utterance": said}
                 for said in (words.comment(item), words.caption(item))]
    _table(root / "official_data" / "artemis_dataset_release_v0.csv", rows)


def musiccaps(root: Path, items) -> None:
    """``musiccaps-public.csv`` and ``clips/``, which one fetches oneself, by YouTube's id; names of
    AudioSet's labels; in a folder beside it words in AFINN's form."""
    rows = []
    for k, item in enumerate(items):
        rows.append({"ytid": f"clip-{k:06d}", "start_s": 30, "end_s": 40,
                     "audioset_positive_labels": AUDIOSET, "aspect_list": str(words.tags(item)),
                     "caption": words.description(item), "author_id": k % 10,
                     "is_balanced_subset": False, "is_audioset_eval": k % 5 == 0})
        _sound(root / "clips" / f"{rows[-1]['ytid']}.wav", item)
    _table(root / "musiccaps-public.csv", rows)
    _table(root / "class_labels_indices.csv", [
        {"index": 137, "mid": "/m/04rlf", "display_name": "Music"},
        {"index": 153, "mid": "/m/05r5c", "display_name": "Piano"}])
    _lines(root.parent / "lexicons" / "afinn" / "AFINN-111.txt", [
        f"{word}\t{round(valence / 2)}" for word, (valence, _) in lexicon.MOODS.items()])
