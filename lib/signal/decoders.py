"""Who decodes a sound file: libsndfile, where it promises what is there; FFmpeg's libraries (PyAV)
where it cannot or the header does not say how long it is; a chained Ogg stream by stream."""

import contextlib
import io
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import soundfile
import soxr

BLOCK = 1 << 18  # frames read at a time
SAME_S = 0.1     # two lengths this near are one
# no playlist: it would open what it names
ALONE = {"protocol_whitelist": "file", "format_whitelist":
         "aac,ac3,aiff,amr,ape,asf,au,caf,flac,matroska,mov,mp3,mpeg,ogg,tta,w64,wav,wv"}
# libsndfile's own errors are RuntimeErrors, FFmpeg's mostly ValueErrors
FAULTS = (OSError, RuntimeError, ValueError, EOFError, av.error.FFmpegError)


class Decoder:
    """A file's rate and length, a remark for who gave it, and its frames, float32 [N, channels]."""
    rate: int
    n_frames: int
    remark = ""
    blocks: Any  # () → all frames, some at a time

    def read(self, start: int, count: int) -> np.ndarray:
        """`count` frames from `start` on."""
        parts, at = [np.zeros((0, 1), np.float32)], 0
        for frames in self.blocks():
            inside = frames[max(0, start - at) : max(0, start + count - at)]
            parts += [inside] if len(inside) else []
            at += len(frames)
            if at >= start + count:
                break
        return np.concatenate(parts[1:] or parts)


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(1 << 13)


def kind(path: Path) -> str:
    """A file's container by its first bytes."""
    head, known = _head(path), {b"RIFF": "wav", b"FORM": "wav", b"OggS": "ogg", b"fLaC": "flac"}
    return known.get(head[:4], "mp4" if head[4:8] == b"ftyp" else "mp3, or unknown")


def lacking(path: Path) -> str:
    """What is missing by a container's own bookkeeping, if it is more than a tenth of a second."""
    size, head = path.stat().st_size, _head(path)
    if head[:4] in (b"RIFF", b"FORM"):
        promised = int.from_bytes(head[4:8], "little" if head[:4] == b"RIFF" else "big")
        a_second = int.from_bytes(head[28:32], "little") if head[12:16] == b"fmt " else 44_100
        # 0 and the largest values mean "unknown" (a pipe); some count their own 8 bytes, too
        short = 0 < promised < 0x7FFF0000 and promised + 8 - size > max(16, SAME_S * a_second)
        return f"{size:,} of {promised + 8:,} bytes" if short else ""
    if head[:4] == b"OggS":
        page = (content := path.read_bytes())[content.rfind(b"OggS") :]
        whole = len(page) >= 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
        return "" if whole else "its last page is not whole"
    return ""


def decoder(path: Path, stack: contextlib.ExitStack) -> Decoder:
    """Opens a file until the stack ends."""
    if kind(path) == "ogg" and len(links := ogg_links(path.read_bytes())) > 1:
        return Chain([LibSndFile(io.BytesIO(link), stack) for link in links])
    if kind(path) == "mp3, or unknown":
        # mpg123's remarks go straight to file descriptor 2; there may be none to silence
        with contextlib.suppress(OSError):
            kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            stack.callback(os.close, kept)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            stack.callback(os.dup2, kept, 2)
    try:
        first = LibSndFile(path, stack)
    except FAULTS as error:
        for source in (path, *mpeg_frames(path)):
            with contextlib.suppress(*FAULTS):
                return FFmpeg(source)
        raise error
    if kind(path) != "mp3, or unknown" and 0 < first.n_frames < 2**62:
        return first
    with contextlib.suppress(*FAULTS):
        whole = FFmpeg(path)
        apart = whole.n_frames / whole.rate - first.n_frames / first.rate
        counted = kind(path) == "mp3, or unknown" and any(
            mark in _head(path) for mark in (b"Xing", b"Info", b"VBRI"))
        if abs(apart) > SAME_S and not (counted and apart < 0):  # counted, and shorter: cut off
            if not counted:
                whole.remark = (f"its header does not say how long it is; "
                                f"all {whole.n_frames / whole.rate:.1f} s of it are heard")
            return whole
    return first


class LibSndFile(Decoder):
    """A file as libsndfile reads it."""
    def __init__(self, source, stack: contextlib.ExitStack):
        self.file = stack.enter_context(soundfile.SoundFile(source))
        self.rate, self.n_frames = self.file.samplerate, len(self.file)

    def read(self, start: int, count: int) -> np.ndarray:
        self.file.seek(start)
        return self.file.read(count, dtype="float32", always_2d=True)

    def blocks(self) -> Iterator[np.ndarray]:
        self.file.seek(0)
        while len(frames := self.file.read(BLOCK, dtype="float32", always_2d=True)):
            yield frames


class FFmpeg(Decoder):
    """A file (or bytes) as FFmpeg's libraries decode it, its length counted packet by packet."""
    def __init__(self, source: Path | bytes):
        self.source = source
        with self._container() as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None or not getattr(stream, "rate", 0):  # none: an unknown codec
                raise ValueError("no sound in it")
            self.rate = stream.rate
            ticks = sum(packet.duration or 0 for packet in container.demux(stream))
            self.n_frames = round(ticks * (stream.time_base or 0) * self.rate)
        if not self.n_frames:  # a codec whose packets do not say
            self.n_frames = sum(map(len, self.blocks()))

    def _container(self) -> Any:
        source = io.BytesIO(self.source) if isinstance(self.source, bytes) else str(self.source)
        return av.open(source, metadata_errors="ignore", options=ALONE)

    def blocks(self) -> Iterator[np.ndarray]:
        with self._container() as container:
            plain = av.AudioResampler(format="fltp")
            for frame in container.decode(audio=0):
                for part in plain.resample(frame):
                    yield part.to_ndarray().T.astype(np.float32)


class Chain(Decoder):
    """Streams that follow each other in one file, at the first one's rate, mixed to mono."""
    def __init__(self, links: list[LibSndFile]):
        self.links, self.rate = links, links[0].rate
        self.n_frames = sum(round(link.n_frames * self.rate / link.rate) for link in links)

    def blocks(self) -> Iterator[np.ndarray]:
        for link in self.links:
            if link.rate == self.rate:
                yield from (frames.mean(axis=1, keepdims=True) for frames in link.blocks())
            else:
                sound = link.read(0, link.n_frames).mean(axis=1)
                yield soxr.resample(sound, link.rate, self.rate)[:, None]


def ogg_links(content: bytes) -> list[bytes]:
    """The streams of a chained Ogg file, each a file of its own; one, if it is not chained.
    Source: RFC 3533, §6 (pages), §4 (chaining)."""
    starts, at, begun = [], 0, False
    while content[at : at + 4] == b"OggS" and at + 27 <= len(content):
        begins = bool(content[at + 5] & 2)
        if begins and not begun:
            starts.append(at)
        begun = begins
        table = content[at + 27 : at + 27 + content[at + 26]]
        at += 27 + len(table) + sum(table)
    ends = [*starts[1:], len(content)]
    return [content[start:end] for start, end in zip(starts, ends, strict=True)]


def mpeg_frames(path: Path) -> Iterator[bytes]:
    """An MP3's content from where its first frame may begin, past a wrong tag or zeros."""
    content = path.read_bytes()
    for found in itertools.islice(re.finditer(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", content), 8):
        yield content[found.start() :]
