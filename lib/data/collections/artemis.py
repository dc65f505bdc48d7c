"""ArtEmis: what people feel before 80,000 paintings of WikiArt, in their own words, with one of
nine labels.
"""

from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout

CARD = """\
### ArtEmis
- **What.** 454,684 utterances on 80,031 works of WikiArt: each viewer names the dominant emotion (eight, or *something else*) and says in words why (Achlioptas, Ovsjanikov, Haydarov, Elhoseiny & Guibas 2021, *ArtEmis: affective language for visual art*, CVPR). System 4 matches them with MusicCaps' captions.
- **Where.** <https://www.artemisdataset.org> (a form); the pictures from WikiArt, as its page says.
- **Licence.** Its own terms: research, not to be passed on; pictures as WikiArt states.
- **Layout.** `artemis_dataset_release_v0.csv` (`art_style, painting, emotion, utterance, repetition`), also below `official_data/`. Pictures in `wikiart/<art_style>/<painting>.jpg`, where you put them. *The file could not be had while this adapter was written*: columns and names are those of its publication and of the authors' code.
- **Scale.** None: no valence or arousal. `emotion`: the label as written; `comment`: the utterance. A row an utterance; group: the painting.
- **Known defects.** (1) Not looked at by us, see the layout. (2) Five or more utterances share a painting, and `repetition` counts them: whoever deals utterances deals a painting to both sides. (3) Painters' names stand before the first `_`; a split by painting still shares its painters. (4) Text 003 uses 443,662 of them and does not say which were left out.
"""  # noqa: E501  (cards are read as text)

URL = "https://www.artemisdataset.org"
LICENCE = "its own terms (research, not to be passed on); pictures as WikiArt states"
WHERE = f"ask for artemis_dataset_release_v0.csv at {URL}"
COLUMNS = ("art_style", "painting", "emotion", "utterance")
LABELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness",
          "something else")


def manifest(folder: Path | str):
    """A row an utterance; ``path`` is null where the painting is not there.

    Raises:
        KlangfarbeError: as :func:`comments`.
    """
    folder, table = Path(folder), comments(folder)
    there = {(style, stem): path for style in sorted(set(table["style"])) for stem,
             path in layout.list_files(folder / "wikiart" / style, folder,
                                        layout.PICTURES).items()}
    rows = [{"item_id": row.comment_id, "modality": "image", "source": "artemis",
             "group_id": f"artemis-{row.painting}", "path": there.get((row.style, row.painting)),
             "emotion": row.emotion, "comment": row.comment, "licence": LICENCE, "origin_url": URL}
            for row in table.itertuples()]
    return manifests.frame(rows)


def comments(folder: Path | str):
    """The utterances in the file's order: DataFrame ``comment_id, painting, style, emotion,
    comment``, for ``articaps.brought``.

    Raises:
        KlangfarbeError: the file is missing, lacks a column, or holds a label that is none of the
            nine.
    """
    file = layout.find_file(folder, ["artemis_dataset_release_v0.csv",
                                   "official_data/artemis_dataset_release_v0.csv"],
                          "ArtEmis' utterances", WHERE)
    table = layout.read_table(file, COLUMNS).dropna(subset=["painting",
                                                       "utterance"]).reset_index(drop=True)
    emotion = table["emotion"].str.lower()
    if unknown := sorted(set(emotion.dropna()) - set(LABELS)):
        raise KlangfarbeError(f"labels out of {', '.join(LABELS)} in {file}",
                              ", ".join(map(repr, unknown[:3])),
                              "check that this is ArtEmis' own table")
    return table.assign(comment_id=[f"artemis-{k:06d}" for k in range(len(table))], emotion=emotion,
                        comment=table["utterance"],
                        style=table["art_style"])[["comment_id", "painting", "style", "emotion",
                                                   "comment"]]
