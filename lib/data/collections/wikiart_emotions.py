"""WikiArt Emotions: 4,105 works of art and the share of annotators who named each of twenty
emotions.
"""

from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### WikiArt Emotions
- **What.** 4,105 works of art (3,852 of them paintings) of 22 categories; about ten people each said which of twenty emotions the work brings them, seeing image and title, the image alone, or the title alone.
- **Where.** <http://saifmohammad.com/WebPages/wikiartemotions.html>: `WikiArt-Emotions.zip`; the pictures must be fetched from the `Image URL` column, with WikiArt's permission.
- **Licence.** Annotations for research, not to be passed on; pictures as WikiArt states, many in the public domain.
- **Layout.** `WikiArt-Emotions-All.tsv` (shares), `…-Ag3/4/5.tsv` (0/1 at 30, 40, 50 % agreement), `WikiArt-info.tsv`. Pictures, where there are any, as `images/<ID>.jpg`. Also read: `emotion_labelled.csv` with `emotion_labelled/<ID>.jpg`, a part of the works joined with their pictures.
- **Scale.** None for valence and arousal: the shares (image and title) are weights, and a work's point is the weighted mean of `affect.WIKIART_POINTS`, *our* choice of points. `emotion`: the emotion named most. Group: the work.
- **Known defects.** (1) Pictures circulating at 224 × 224 are letterboxed with black bars: unless these are cropped (`images.load` does), their width alone tells wide landscapes from portraits. (2) 253 of 4,105 works are marked as no paintings (sculptures, installations); 14 works of `WikiArt-info.tsv` have no ratings. (3) Averaging points pulls works towards the middle; valence is mostly positive, arousal hardly varies (standard deviation .16). (4) Artists have up to 13 works in the joined part: a split by work leaves the same hand on both sides. (5) Names of the joined pictures were reconstructed from file order; a few may be wrong.
"""  # noqa: E501  (cards are read as text)

URL = "http://saifmohammad.com/WebPages/wikiartemotions.html"
LICENCE = "annotations for research only, pictures as WikiArt states"
WHERE = f"download WikiArt-Emotions.zip from {URL} and unpack it there"
SEEN = {"image and title": "Art (image+title): ", "image": "ImageOnly: "}


def manifest(folder: Path | str, *, paintings_only: bool = False, seen: str = "image and title"):
    """WikiArt Emotions' rows; ``path`` is null where the picture is not there.

    Args:
        folder: as its publisher ships it (with ``images/`` where pictures were fetched), or with
            ``emotion_labelled.csv``.
        paintings_only: leave out what is marked as no painting.
        seen: what the annotators saw, a key of :data:`SEEN`.

    Raises:
        KlangfarbeError: the table is missing or lacks an emotion, or `seen` is unknown.
    """
    if seen not in SEEN:
        raise KlangfarbeError(f"what was seen, out of {', '.join(SEEN)}", repr(seen),
                              "name one of them")
    folder = Path(folder)
    file = layout.find_file(folder, ["WikiArt-Emotions-All.tsv",
                                   "WikiArt-Emotions/WikiArt-Emotions-All.tsv",
                                   "emotion_labelled.csv"], "WikiArt Emotions' table of shares",
                          WHERE)
    joined = file.suffix == ".csv"
    identity, artist, title = ("wikiart_emotions_id", "artist",
                               "title") if joined else ("ID", "Artist", "Title")
    emotions = list(affect.WIKIART_POINTS)
    shares_of = [SEEN[seen] + emotion for emotion in emotions]
    works = layout.read_table(file, [identity, artist, title, "Is painting", *shares_of],
                         separator="," if joined else "\t")
    if paintings_only:
        works = works[works["Is painting"] == "yes"]
    weights = works[shares_of].to_numpy()
    points = affect.from_emotions(weights, affect.WIKIART_POINTS)
    pictures = layout.list_files(folder / ("emotion_labelled" if joined else "images"), folder,
                                  layout.PICTURES)
    rows = []
    for shares, (valence, arousal), record in zip(weights, points, works.to_dict("records"),
                                                  strict=True):
        emotion = emotions[shares.argmax()]
        if not shares.sum() > 0:
            emotion = valence = arousal = None
        rows.append({"item_id": f"wikiart-{record[identity]}", "modality": "image",
                     "path": pictures.get(str(record[identity])), "source": "wikiart_emotions",
                     "group_id": f"wikiart-{record[identity]}", "emotion": emotion,
                     "valence": valence, "arousal": arousal,
                     "caption": f"{layout.text(record[title]) or 'untitled'} by "
                     f"{layout.text(record[artist]) or 'an unknown artist'}",
                     "genre": layout.text(record.get("category" if joined else "Category")),
                     "licence": LICENCE, "origin_url": layout.text(record.get("Painting Info URL"))
                     or URL})
    return manifests.frame(rows)
