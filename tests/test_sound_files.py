"""Whole sound files that a header, a container or a level hides: heard, and heard alike."""

import io

import av
import numpy as np
import pytest
import soundfile

from lib.core.errors import KlangfarbeError
from lib.signal import audio, decoders

RATE = 22_050
SONG = np.concatenate([0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
                       for hertz in (220, 330, 550)]).astype(np.float32)  # three seconds


def encoded(form, subtype=None, sound=SONG, rate=RATE, **more):
    """A file's bytes, by libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate, format=form, subtype=subtype, **more)
    return buffer.getvalue()


def by_ffmpeg(path, codec, rate=44_100, sound=SONG):
    """Writes the song, or another sound, by FFmpeg's encoders."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.codec_context.bit_rate = 128_000
        plain = av.AudioResampler(format=stream.format, layout="mono", rate=rate,
                                  frame_size=stream.codec_context.frame_size or 1024)
        frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        frame.sample_rate = RATE
        for part in [*plain.resample(frame), *plain.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def riff(change):
    whole = bytearray(encoded("WAV"))
    change(whole)
    return bytes(whole)


def _sizes(value):
    def change(whole):
        whole[4:8] = value.to_bytes(4, "little")
        at = whole.find(b"data") + 4
        whole[at : at + 4] = value.to_bytes(4, "little")
    return change


def _riff_size(more):
    def change(whole):
        whole[4:8] = (len(whole) - 8 + more).to_bytes(4, "little")
    return change


def without_count():
    """An MP3 whose first frame, which counts the others, is gone."""
    whole = encoded("MP3", bitrate_mode="VARIABLE", sound=np.tile(SONG, 4))
    second = next(at for at in range(4, len(whole)) if whole[at : at + 2] == whole[:2])
    assert b"Xing" in whole[:second] or b"Info" in whole[:second]
    return whole[second:]


FILES = {
    "RIFF counts its own eight bytes": ("wav", lambda: riff(_riff_size(8))),
    "sixteen bytes too many": ("wav", lambda: riff(_riff_size(16))),
    "sizes never written, largest": ("wav", lambda: riff(_sizes(0xFFFFFFFF))),
    "floats where integers were meant": ("wav", lambda: encoded("WAV", "FLOAT", 32_768 * SONG)),
    "an offset": ("wav", lambda: encoded("WAV", "FLOAT", SONG + np.float32(0.1))),
    "24 bits": ("wav", lambda: encoded("WAV", "PCM_24")),
    "zeros before an mp3": ("mp3", lambda: bytes(65_536) + encoded("MP3")),
    "a tag larger than the file": ("mp3", lambda: b"ID3\x03\x00\x00\x00\x0c\x1a\x40" + bytes(400)
                                   + encoded("MP3")),
    "Apple Lossless": ("m4a", "alac"), "AAC": ("m4a", "aac"), "AAC, bare": ("aac", "aac"),
    "Opus in WebM": ("webm", "libopus"), "Windows Media": ("wma", "wmav2"),
    "Matroska": ("mka", "aac")}


@pytest.mark.parametrize("name", FILES)
def test_the_same_song_is_heard_whatever_it_lies_in(name, tmp_path, capfd):
    suffix, content = FILES[name]
    path = tmp_path / f"song.{suffix}"
    if isinstance(content, str):
        by_ffmpeg(path, content, 48_000 if content == "libopus" else 44_100)
    else:
        path.write_bytes(content())
    heard = audio.load(path)
    assert abs(len(heard) - len(SONG)) <= 0.12 * RATE
    for at, hertz in ((0.3, 220), (1.3, 330), (2.3, 550)):
        part = heard[round(at * RATE) : round((at + 0.5) * RATE)]
        assert np.argmax(np.abs(np.fft.rfft(part))) / 0.5 == pytest.approx(hertz, abs=2)
        assert np.sqrt(2 * np.mean(part**2)) == pytest.approx(0.3, abs=0.02)
    seconds, _ = audio.inspect(path)
    assert seconds == pytest.approx(3, abs=0.12)
    assert ("divided by 32768" in capfd.readouterr().err) == ("integers" in name)


def test_all_links_of_a_chain_are_heard(tmp_path):
    path = tmp_path / "chain.ogg"
    path.write_bytes(encoded("OGG", "VORBIS")
                     + encoded("OGG", "VORBIS", np.stack([SONG, SONG], 1), 44_100))
    assert len(decoders.ogg_links(path.read_bytes())) == 2
    heard = audio.load(path)
    assert len(heard) == pytest.approx(4.5 * RATE, abs=10), "the second link at its own rate"
    octave = np.abs(np.fft.rfft(heard[3 * RATE : round(3.4 * RATE)]))
    assert np.argmax(octave) / 0.4 == pytest.approx(440, abs=3)


def test_an_mp3_without_a_count_is_heard_to_its_end_and_says_so(tmp_path, capfd):
    path = tmp_path / "long.mp3"
    path.write_bytes(without_count())
    assert len(audio.load(path, seconds=None)) / RATE == pytest.approx(12, abs=0.15)
    middle = audio.load(path, seconds=2.0)
    assert np.corrcoef(np.abs(np.fft.rfft(middle)), np.abs(np.fft.rfft(
        np.tile(SONG, 4)[5 * RATE : 7 * RATE])))[0, 1] > 0.8
    said = capfd.readouterr().err
    assert "header does not say" in said or len(soundfile.SoundFile(path)) / RATE > 11.8


def test_where_the_middle_is_silent_what_sounds_is_heard(tmp_path):
    path = tmp_path / "hidden.flac"
    soundfile.write(path, np.concatenate([0.1 * SONG, np.zeros(20 * RATE), SONG]), RATE)
    heard = audio.load(path, seconds=3.0)
    assert np.abs(heard).max() == pytest.approx(0.3, abs=0.02), "the louder of the two"


def test_a_playlist_opens_nothing(tmp_path):
    soundfile.write(tmp_path / "secret.wav", SONG, RATE)
    for name, text in (("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsecret.wav\n"),
                       ("a.wav", "ffconcat version 1.0\nfile secret.wav\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(KlangfarbeError, match="convert it: ffmpeg -i"):
            audio.load(tmp_path / name)


def test_a_codec_that_nothing_here_knows_is_told(tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(riff(lambda whole: whole.__setitem__(slice(20, 22), b"\x34\x82")))
    with pytest.raises(KlangfarbeError, match="convert it"):
        audio.load(path)


def test_the_way_out_can_be_pasted(tmp_path):
    path = tmp_path / "my song.m4a"
    path.write_bytes(b"\x00\x00\x00\x20ftypM4A nothing more")
    with pytest.raises(KlangfarbeError) as error:
        audio.load(path)
    assert str(error.value).endswith(f"ffmpeg -i '{path}' 'my song-converted.wav'")


@pytest.mark.parametrize("sound", [(32_768 * SONG).astype(np.int16), 32_768 * SONG])
def test_integers_are_no_sound_in_floats(sound):
    with pytest.raises(KlangfarbeError, match="floats in .*divide 16 bits by 32768"):
        audio.check_sound(sound, RATE, "it")
