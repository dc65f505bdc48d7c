"""``python -m lib judge PAINTING MUSIC --comment "…" --backend gemini --model NAME``: one rating of
one's own, in the published form.

Notebook: 46.
"""

import tempfile
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.signal import audio, images
from lib.studies.judge import backends, panel


def run(painting: Path, music: Path, comment: str, backend: str, model: str, base_url: str = "",
        output: Path | None = None) -> int:
    """Asks a judge about one painting, comment and piece, prints what it says; returns the exit
    code (2: no rating).

    Args:
        output: a ``….jsonl`` that keeps the answer (the same question is then not asked twice);
            ``None``: it is printed alone.

    Raises:
        KlangfarbeError: files that cannot be read, no comment, or a judge that cannot be asked.
            Everything is checked before it is.
    """
    if not comment.strip():
        raise KlangfarbeError("a comment, what is felt before the painting", "none",
                              'for instance --comment "it makes me feel calm"')
    case = backends.Case(f"{painting.name} {music.name} {comment.strip()}", images.load(painting),
                         comment.strip(), audio.load(music), audio.SAMPLE_RATE_HZ)
    judge = backends.of(backend, model, base_url)
    with tempfile.TemporaryDirectory() as folder:
        row = panel.judge([case], judge, output or Path(folder) / "answers.jsonl").iloc[0]
    if row["status"] != panel.RATED:
        raise KlangfarbeError(f"a rating of {judge.name}",
                              f"{row['status']} after {row['tries']} tries: {row['why']}",
                              "ask again later, or another judge; no rating is made up")
    rating = row["rating"]
    print(f"{judge.name}: {rating['scores']['Feeling_alignment']} of 10")
    for name in ("text", "image", "audio"):
        print(f"  {name:6} {', '.join(rating['keywords'][name])} · {rating['explanations'][name]}")
    print(f"  {rating['explanations']['overall']}\nOne rating is an anecdote; notebook 46 has the controls.")
    return 0
