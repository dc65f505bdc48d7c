"""System 1's segments as files: a sequence that decodes one when it is asked for, so that a data
set need not fit into memory.

Source: text 000, §V.A (30-s segments).  Notebook: 13.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from lib.core import provenance
from lib.core.errors import KlangfarbeError


class Clips(Sequence):
    """Segments of sound files, each decoded when it is asked for: float32 [seconds ·
    sample_rate_hz], mono.

    Args:
        files: [N] paths. starts_s, seconds: where each segment begins, and how long all are.
            sample_rate_hz: rate to resample to.

    Raises:
        KlangfarbeError: on access: the file is absent, damaged, or ends before the segment does.
    """

    def __init__(self, files: Sequence[Path], starts_s: Sequence[float], seconds: float,
                 sample_rate_hz: int):
        self.files, self.starts_s = [Path(file)
                                     for file in files], [float(start) for start in starts_s]
        self.seconds, self.sample_rate_hz = float(seconds), int(sample_rate_hz)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        file, start_s, do = self.files[row], self.starts_s[
            row], "remove the sound file: pairing again plays it anew"
        try:
            with soundfile.SoundFile(file) as opened:
                rate = opened.samplerate
                opened.seek(min(round(start_s * rate), len(opened)))
                sound = opened.read(round(self.seconds * rate), dtype="float32",
                                    always_2d=True).mean(1)
        except (soundfile.LibsndfileError, OSError) as error:
            raise KlangfarbeError(f"a sound file at {file}",
                                  f"{type(error).__name__}: {str(error)[:80]}", do) from error
        if len(sound) < round(self.seconds * rate):
            raise KlangfarbeError(f"{self.seconds:g} s from {start_s:g} s on in {file}",
                                  f"{len(sound) / rate:.2f} s", do)
        wanted = round(self.seconds * self.sample_rate_hz)
        sound = sound if rate == self.sample_rate_hz else soxr.resample(sound, rate,
                                                                        self.sample_rate_hz)[
            :wanted]
        # resampling may end a sample early
        return np.pad(sound, (0, wanted - len(sound))).astype(np.float32, copy=False)

    @property
    def key(self) -> str:
        """Names these very clips, for ``music.train(…, key=…)``: files with their sizes, places,
        length and rate.
        """
        sizes = [file.stat().st_size if file.is_file() else 0 for file in self.files]
        names = [file.name for file in self.files]
        return provenance.content_hash(repr((names, sizes, self.starts_s, self.seconds,
                                             self.sample_rate_hz)).encode())
