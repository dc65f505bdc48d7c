"""Reading MIDI files: one line of error for whatever is wrong with them."""

import warnings
from pathlib import Path

import pretty_midi

from lib.core.errors import KlangfarbeError


def read_midi(path: Path | str) -> pretty_midi.PrettyMIDI:
    """Reads a MIDI file that holds at least one note."""
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        got = "empty (0 bytes)" if path.is_file() else "no such file"
        raise KlangfarbeError("a MIDI file", f"{path}: {got}", "check the path, or copy it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            score = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # the parser raises whatever the broken byte leads to
        raise KlangfarbeError("a MIDI file", f"{path}: {type(error).__name__} {str(error)[:100]}",
                              "export it again as a standard MIDI file") from error
    if not any(instrument.notes for instrument in score.instruments):
        raise KlangfarbeError("a MIDI file with notes", f"{path}: no notes",
                              "leave it out, or export it again")
    return score
