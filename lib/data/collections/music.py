"""Music: DEAM, emoMusic, PMEmo, Emotify, 4Q, VGMIDI, MusicCaps, MIREX. Notebook: 04."""

import ast
import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError, readable
from lib.data.collections import layout
from lib.signal import affect

DEAM_PARTS = tuple(f"static_annotations_averaged_songs_{of}.csv" for of in ("1_2000", "2000_2058"))
DEAM_PLACES = (*(f"{above}annotations averaged per song/song_level/{DEAM_PARTS[0]}"
                 for above in ("annotations/", "", "*/annotations/")),
               DEAM_PARTS[0], "meta/static_annotations.csv")
EMOTIFY_FIRST_TRACK = {"classical": 1, "rock": 101, "electronic": 201, "pop": 301}
GEMS = list(affect.GEMS_POINTS)
EMOTIFY_COLUMNS = ("track id", "genre", *GEMS)  # a row a listener and track, 0 or 1 an emotion
EMOTIFY_ARTISTS = "emotify_artists.csv"  # read out of the recordings' tags; not of the publisher
FOUR_Q_TABLE = "panda_dataset_taffc_metadata.csv"
# a line of MIREX's categories.txt in letters only → its adjective
ADJECTIVES = {"agressive": "aggressive"} | {re.sub("[^a-z]", "", name): name
                                            for name in affect.MIREX_POINTS}


def deam(folder: Path, exchange_2013: bool = True) -> dict:
    """A row a song; `exchange_2013` undoes an exchange of the axes up to id 1000 (see the card)."""
    columns, files = ["song_id", "valence_mean", "arousal_mean"], []
    files.append(layout.find_file("deam", folder, DEAM_PLACES))
    if files[0].name == DEAM_PARTS[0]:
        files.append(layout.find_file("deam", files[0].parent, DEAM_PARTS[1:]))
    songs = pd.concat([layout.read_table(file, columns, numbers=columns[1:], key=columns[0])
                       for file in files], ignore_index=True)
    numbers, points = songs["song_id"], affect.to_unit(songs[columns[1:]], "deam")
    if exchange_2013:
        old = numbers.to_numpy() <= 1000
        points[old] = points[old][:, ::-1]
    about = {}  # song → artist, genre; the headings of the yearly files differ
    for file in (*sorted(folder.glob("metadata*/metadata_20*.csv")),
                 *sorted(folder.glob("*/metadata/metadata_20*.csv"))):
        for row in layout.read_table(file, ()).rename(columns=str.lower).to_dict("records"):
            if song := row.get("song_id") or row.get("id"):
                about[int(song)] = layout.text(row.get("artist")), layout.text(row.get("genre"))
    artists, genres = ([about.get(n, (None, None))[k] for n in numbers] for k in range(2))
    sounds = layout.list_files(folder, layout.AUDIO, "MEMD_audio", "DEAM_audio/MEMD_audio", "audio",
                               "mp3")
    return {"modality": "audio", "points": points, "genre": genres, "artists": artists,
            "item_id": [f"deam-{n:04d}" for n in numbers],
            "path": [sounds.get(str(n)) for n in numbers]}


def emomusic(folder: Path) -> dict:
    """A row an excerpt, grouped by artist, from the publisher's folder or repackaged."""
    labels, info = (layout.find_file("emomusic", folder, [f"{place}{name}.csv" for place
        in ("annotations/", "meta/", "")]) for name in ("static_annotations", "songs_info"))
    axes = ["mean_valence", "mean_arousal"]
    if axes[0] not in layout.read_table(labels, ("song_id",)).columns:
        axes = ["valence_mean", "arousal_mean"]
    songs = layout.read_table(labels, ("song_id", *axes), numbers=axes, key="song_id")
    known = layout.read_table(info, ("song_id", "Artist", "Song title", "Genre"))
    part = next((column for column in known.columns if "set" in column.lower()), "set")
    known = known.drop_duplicates("song_id", keep="last").set_index("song_id")
    artists, titles, genres, parts = layout.texts(known.reindex(songs["song_id"]), "Artist",
                                                  "Song title", "Genre", part)
    sounds = layout.list_files(folder, layout.AUDIO, "clips_45seconds", "mp345", "audio")
    numbers = songs["song_id"]
    return {"modality": "audio", "item_id": [f"emomusic-{n:04d}" for n in numbers],
            "path": [sounds.get(str(n)) for n in numbers], "artists": artists,
            "points": affect.to_unit(songs[axes], "emomusic"),
            "genre": [genre and genre.lower() for genre in genres],
            "split": [{"development": "train", "evaluation": "test"}.get((name or "").lower())
                      for name in parts],
            "description": _by(titles, artists)}


def pmemo(folder: Path) -> dict:
    """A row a song of the metadata, grouped by artist; null points where a song has no label."""
    inner = folder / "PMEmo2019" if (folder / "PMEmo2019").is_dir() else folder
    labels, about = (layout.find_file("pmemo", inner, places) for places in (
        ("annotations/static_annotations.csv", "meta/static_annotations.csv"),
        ("metadata.csv", "meta/metadata.csv")))
    columns, scale = ["musicId", "Valence(mean)", "Arousal(mean)"], "pmemo"
    if columns[0] not in layout.read_table(labels, ()).columns:
        columns, scale = ["song_id", "valence_mean", "arousal_mean"], "pmemo_rescaled"
    rated = layout.read_table(labels, columns, numbers=columns[1:], key=columns[0])
    points = dict(zip(rated[columns[0]], affect.to_unit(rated[columns[1:]], scale), strict=True))
    sounds = layout.list_files(folder, layout.AUDIO, "PMEmo2019/chorus", "chorus")
    songs = layout.read_table(about, ("musicId", "artist"), key="musicId")
    ids, (artists, titles) = songs["musicId"], layout.texts(songs, "artist", "title")
    return {"modality": "audio", "genre": "pop", "artists": artists,
            "item_id": [f"pmemo-{n:04d}" for n in ids], "path": [sounds.get(str(n)) for n in ids],
            "points": [points.get(n, (None, None)) for n in ids],
            "description": _by(titles, artists)}


def emotify(folder: Path) -> dict:
    """A row a rated track, from the publisher's folder or one with ``audio_15s/``; grouped by
    artist where :data:`EMOTIFY_ARTISTS` lies in it or in ``emotify_extra/`` beside it."""
    ratings = _emotify_ratings(folder)
    ticked, sounds = ratings.groupby(["track id", "genre"])[GEMS].mean().reset_index(), {}
    for genre, first in EMOTIFY_FIRST_TRACK.items():
        for place in ("audio_15s", genre, f"emotifymusic/{genre}"):
            for stem, path in layout.list_files(folder, layout.AUDIO, place).items():
                number = stem.removeprefix(f"{genre}_") if place == "audio_15s" else stem
                if number.isdigit():
                    sounds[first + int(number) - 1] = path
    artists = {}
    for file in (folder.parent / "emotify_extra" / EMOTIFY_ARTISTS, folder / EMOTIFY_ARTISTS):
        if file.is_file():  # the folder's own is the last word
            known = layout.read_table(file, ("track id", "artist"))
            artists.update(zip(known["track id"], *layout.texts(known, "artist")))
    tracks, ticks = ticked["track id"], ticked[GEMS].to_numpy()
    points, anything = affect.from_emotions(ticks, affect.GEMS_POINTS), ticks.any(axis=1)
    points[~anything] = np.nan  # nobody ticked anything: no point, rather than the neutral one
    return {"modality": "audio", "points": points, "genre": ticked["genre"],
            "item_id": map("emotify-{:03d}".format, tracks), "path": map(sounds.get, tracks),
            "artists": list(map(artists.get, tracks)),
            "emotion": [GEMS[k] if ticked else None
                        for k, ticked in zip(ticks.argmax(axis=1), anything)]}


def _emotify_ratings(folder: Path):
    return layout.read_table(layout.find_file("emotify", folder, ["data.csv"]), EMOTIFY_COLUMNS,
                             numbers=GEMS, key="track id")


def emotify_shares(folder: Path) -> pd.DataFrame:
    """The share of each track's listeners who ticked each of the nine emotions, by ``item_id``."""
    ratings = _emotify_ratings(folder)
    shares = ratings.groupby("track id")[GEMS].mean()
    return shares.set_axis(map("emotify-{:03d}".format, shares.index))


def emotify_panels(folder: Path, seed: int = 0) -> list[np.ndarray]:
    """Each track's points by two random halves of its listeners: two [N, 2] in manifest's order."""
    rng, halves = np.random.default_rng(seed), []
    ratings = _emotify_ratings(folder)
    for _, rows in ratings.groupby("track id"):
        ticks = rows[GEMS].to_numpy()[rng.permutation(len(rows))]
        other = ticks[1::2] if len(ticks) > 1 else ticks
        halves.append((ticks[::2].mean(axis=0), other.mean(axis=0)))
    return [affect.from_emotions(half, affect.GEMS_POINTS) for half in zip(*halves, strict=True)]


def mer_audio_4q(folder: Path) -> dict:
    """A row a song at the middle of its quadrant, grouped by artist, from the publisher's folder or
    one with ``labels.csv``. Source: Panda, Malheiro & Paiva 2018."""
    places = (FOUR_Q_TABLE, f"MER_audio_taffc_dataset/{FOUR_Q_TABLE}", "labels.csv")
    file = layout.find_file("mer_audio_4q", folder, places)
    columns = (("Song", "Artist", "Title", "Quadrant", "GenresStr") if file.name == FOUR_Q_TABLE
               else ("song_id", "artist", "title", "quadrant", "GenresStr"))
    table = layout.read_table(file, columns)
    songs, artists, titles, quadrants, genres = layout.texts(table, *columns)
    with readable(f"one of {', '.join(affect.QUADRANT_POINTS)} in every row", file):
        points = [affect.QUADRANT_POINTS[str(quadrant)] for quadrant in quadrants]
    inner = file.parent.relative_to(folder)
    sounds = {song: path for place in (*affect.QUADRANT_POINTS, "audio_10s") for song, path
              in layout.list_files(folder, layout.AUDIO, f"{inner}/{place}").items()}
    return {"modality": "audio", "points": points, "artists": artists,
            "item_id": [f"mer4q-{song}" for song in songs],
            "path": [sounds.get(str(song)) for song in songs],
            "genre": [genre and genre.lower() for genre in genres],
            "description": _by(titles, artists)}


def vgmidi(folder: Path) -> dict:
    """A row a phrase, grouped by piece, from the publisher's folder or one with ``phrases.csv``."""
    file = layout.find_file("vgmidi", folder, ("labelled/src/vgmidi.csv", "src/vgmidi.csv",
                                               "phrases.csv"))
    published, root = file.name == "vgmidi.csv", folder.resolve()
    columns = ("midi", "game", "piece") if published else ("file", "piece_id")
    axes = ("valence", "arousal")
    phrases = layout.read_table(file, (*columns, *axes), numbers=axes)
    pieces = phrases["game"] + ": " + phrases["piece"] if published else phrases["piece_id"]
    scores = [(file.parent / name).resolve() for name in phrases[columns[0]]]
    return {"modality": "midi", "genre": "game", "item_id": [f"vgmidi-{s.stem}" for s in scores],
            "group_id": [f"vgmidi-{piece}" for piece in pieces],
            "points": affect.to_unit(phrases[["valence", "arousal"]], "vgmidi"),
            "path": [s.relative_to(root).as_posix() if s.is_file() and s.is_relative_to(root)
                     else None for s in scores]}


def musiccaps(folder: Path) -> dict:
    """A row a clip, grouped by video."""
    table, sounds = captions(folder), layout.list_files(folder, layout.AUDIO, "clips")
    return {"modality": "audio", "item_id": table["clip"], "split": table["split"],
            "group_id": "musiccaps-" + table["ytid"], "path": map(sounds.get, table["ytid"]),
            "caption": table["caption"], "description": table["keywords"]}


def captions(folder: Path) -> pd.DataFrame:
    """MusicCaps: ``clip, ytid, caption, labels`` (of AudioSet), ``keywords``, ``split``."""
    file, keywords = layout.find_file("musiccaps", folder, ["musiccaps-public.csv"]), []
    table = layout.read_table(file, ("ytid", "start_s", "audioset_positive_labels", "aspect_list",
                                     "caption", "is_audioset_eval"))
    with readable("lists of aspects like ['slow', 'piano']", file):
        for written in table["aspect_list"]:  # "['a', 'b']"
            keywords.append(", ".join(str(word).strip() for word in ast.literal_eval(written)))
    clips = [f"musiccaps-{row.ytid}-{row.start_s}" for row in table.itertuples()]
    return pd.DataFrame({"clip": clips, "ytid": table["ytid"], "caption": table["caption"],
                         "labels": table["audioset_positive_labels"], "keywords": keywords,
                         "split": table["is_audioset_eval"].map({True: "test", False: "train"})})


def mirex(folder: Path) -> dict:
    """A row a clip and, where there is one, a row a MIDI file, grouped by artist where known."""
    root, file = mirex_home(folder), mirex_home(folder) / "categories.txt"
    lines = [line.strip() for line in _text(file).rstrip().splitlines()]
    moods = [ADJECTIVES.get(re.sub("[^a-z]", "", line.lower()), "") for line in lines]
    if "" in moods or not lines:
        at = moods.index("") if lines else 0
        got = f"{lines[at]!r} in line {at + 1}" if lines else "an empty file"
        raise KlangfarbeError(f"one of MIREX's adjectives in every line of {file}", got,
                              "unpack the archive again")
    clips, scores = (
        {int(file.stem): file for file in sorted((root / place).rglob("*"), reverse=True)
         if file.suffix.lower() in suffixes and file.stem.isdecimal()}
        for place, suffixes in (("Audio", layout.AUDIO), ("MIDIs", (".mid", ".midi"))))
    numbers = sorted({*clips, *scores} or {1})
    # clips 1, 2, 3 … without a gap: then there must be a line for each and no other
    if numbers[-1] > len(moods) or (clips and len(clips) == max(clips) != len(moods)):
        raise KlangfarbeError(f"a line for each song in {file}",
                              f"{len(moods)} lines for {numbers[-1]} clips",
                              "unpack the archive again: one line lost moves all that follow")
    about = _about(root)
    rows = [(n, kind, files.get(n)) for n in range(1, len(moods) + 1)
        for kind, files in (("audio", clips), ("midi", scores)) if kind == "audio" or n in files]
    artists, genres = ([about.get(n, (None, None))[k] for n, *_ in rows] for k in range(2))
    return {"modality": [kind for _, kind, _ in rows], "artists": artists, "genre": genres,
            "item_id": [f"mirex-{n:03d}-{kind}" for n, kind, _ in rows],
            "group_id": [f"mirex-{n:03d}" for n, *_ in rows],
            "emotion": [moods[n - 1] for n, *_ in rows],
            "path": [file and file.relative_to(folder).as_posix() for *_, file in rows],
            "points": [affect.MIREX_POINTS[moods[n - 1]] for n, *_ in rows]}


def mirex_home(folder: Path | str) -> Path:
    """The folder that holds ``categories.txt``: the given one or its ``dataset/``."""
    places = ("categories.txt", "dataset/categories.txt", "*/dataset/categories.txt")
    return layout.find_file("mirex", Path(folder), places).parent


def _by(titles: list, artists: list) -> list[str | None]:
    return [f"{title} by {artist}" if title and artist else None
            for title, artist in zip(titles, artists, strict=True)]


def _text(file: Path) -> str:
    # UTF-16 with or without its mark, UTF-8, else Latin-1
    held = file.read_bytes()
    marked = held[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return held.decode("utf-16" if marked else "utf-16-le" if held[1:2] == b"\0"
                           else "utf-8-sig")
    except UnicodeDecodeError:
        return held.decode("latin-1")


def _about(root: Path) -> dict[int, tuple[str | None, str | None]]:
    # song → (artist, genre); empty without the table or its file names
    file, found = root / "dataset info.csv", {}
    lines = [line for line in _text(file).splitlines() if line.strip()] if file.is_file() else []
    separator = max(";,\t", key=lines[0].count) if lines else ";"
    heads = [head.strip().lower() for line in lines[:1]
             for head in line.rstrip(f" {separator}").split(separator)]
    # Line by line: a quotation mark that is never closed must not swallow the songs that follow.
    for line in lines[1:]:
        row = next(csv.DictReader([line], heads, restkey="", delimiter=separator))
        number = re.match(r"\s*(\d+)", row.get("filename") or "")
        # a cell too many: which one is the artist cannot be told
        if number and not any(cell.strip() for cell in row.get("", ())):
            found[int(number[1])] = layout.text(row.get("artist")), layout.text(row.get("genre"))
    return found
