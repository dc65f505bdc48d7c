"""System 1, Bridging Paintings and Music: a painting becomes music by way of an emotion word, a caption and a musical description.

    painting [H, W, 3] ──A──► emotion word ──B──► caption ──C──► description ──T5──► states [L, D] ──D──► codes [K, S] ──codec──► music [N]
                       classifier.py   words.py (BLIP)   words.py (Falcon)                players.py, music.py (MusicGen)
                       labels.py, calibration.py                            pairs.py, supply.py: what D is fine-tuned on
                       what M1 is told: the word · M2: the caption · M3 and M4: the description

Source: text 000, "Bridging Paintings and Music". Stages A and D have a file each in one order: Config and PROFILES, build, train_step,
predict or generate; ``released.py`` holds the *as released* experiments; this file joins the stages.

Known deviations: a painting is heard one at a time, so that its music does not hang on what is played beside it · the emotion comes
with its probability, and each text is returned: published is the sound alone · what would clip is turned down as a whole.
Notebook: 10 (the tour), 11–15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import artefacts, audio, images
from lib.errors import KlangfarbeError

PEAK = 0.99  # what would be louder is turned down to this
SHORTEST_S, LONGEST_S = 0.5, 30.0  # MusicGen was trained on 30 s


@dataclass(frozen=True)
class Config:
    """The whole chain. Each stage has its own config beside this.

    Attributes:
        model: which of the four fine-tuned decoders plays. side: a painting is cut square and resized to this before anyone looks at it.
    """

    model: str = "m4"
    side: int = 384  # what BLIP-large sees; ResNet50 sees 224


_ATELIER = Config(side=128)  # the atelier's paintings are as large
PROFILES = {"smoke": _ATELIER, "mini": _ATELIER, "gpu": Config(), "paper": Config()}


class Models(NamedTuple):
    """The networks of the chain, loaded. ``tuned``: whether the player was fine-tuned, or plays as it was before notebook 13."""

    classifier: object
    temperature: float
    captioner: object
    describer: object
    player: object
    music: object
    words: object
    side: int
    tuned: bool


@dataclass(frozen=True)
class Heard:
    """A painting's way to music.

    Attributes:
        emotion, probability: the leading word and how sure the classifier is of it. second, second_probability: the runner-up.
        caption, description: the two texts. sound: float32 [N] in [−1, 1], mono. sample_rate_hz: its rate.
    """

    emotion: str
    probability: float
    second: str
    second_probability: float
    caption: str
    description: str
    sound: np.ndarray
    sample_rate_hz: int

    @property
    def peak_db(self) -> float:
        """The loudest sample, in dB below full scale."""
        return float(20 * np.log10(max(1e-9, np.abs(self.sound).max())))

    @property
    def loudness_db(self) -> float:
        """Root mean square, in dB below full scale."""
        return float(10 * np.log10(max(1e-18, np.square(self.sound, dtype=np.float64).mean())))


def load(profile: str = artefacts.BUNDLED, model: str | None = None) -> Models:
    """Loads the chain of a profile; what was not made there is a bundled miniature, and each part says which it is.

    Args:
        model: ``m1`` to ``m4``; ``None``: the profile's.

    Raises:
        KlangfarbeError: no such profile or model, or weights that cannot be had.
    """
    from lib.systems.bridging import classifier, players, words

    config, name = of(profile), "mini" if profile == artefacts.BUNDLED else profile
    network, _, temperature = classifier.load(profile)
    captioner, describer = words.build(words.PROFILES[name])
    player, settings, tuned = players.load(profile, model or config.model)
    return Models(network, temperature, captioner, describer, player, settings, words.PROFILES[name], config.side, tuned)


def of(profile: str) -> Config:
    """The chain's config at a profile; ``bundled`` has mini's.

    Raises:
        KlangfarbeError: no such profile.
    """
    known = {artefacts.BUNDLED: PROFILES["mini"]} | PROFILES
    if profile not in known:
        raise KlangfarbeError(f"a profile out of {', '.join(known)}", repr(profile), "name one of them")
    return known[profile]


def hear(painting: np.ndarray, models: Models, *, seed: int = 0, seconds: float | None = None) -> Heard:
    """A painting becomes music. The same painting, models and seed give the same music on one machine.

    Args:
        painting: uint8 [H, W, 3]. models: of :func:`load`. seed: of the sampling. seconds: ``None``: the player's config's.

    Raises:
        KlangfarbeError: no picture, or a duration that the player was never trained on.

    Notebook: 10.
    """
    from lib.systems.bridging import classifier, music, words

    _check_seconds(models.music.clip_seconds if seconds is None else seconds)
    picture = classifier.prepared([painting], models.side)                                # [1, side, side, 3]
    sure = classifier.predict(models.classifier, picture, models.temperature)[0]          # [5]
    first, second = np.argsort(-sure, kind="stable")[:2]
    said = words.texts(picture, [classifier.EMOTIONS[first]], models.captioner, models.describer, told=models.words.told,
                       seed=models.words.seed).iloc[0]
    told = said[music.COLUMNS[models.music.model]]
    sound = music.generate(models.player, [told], models.music, seed, seconds=seconds)[0]
    loudest = float(np.abs(sound).max(initial=0))
    sound = sound * np.float32(min(1.0, PEAK / max(loudest, 1e-9)))
    return Heard(classifier.EMOTIONS[first], float(sure[first]), classifier.EMOTIONS[second], float(sure[second]), said["caption"],
                 said["description"], sound, models.player.sample_rate_hz)


def hear_files(paintings: Sequence[Path], output: Path, *, profile: str = artefacts.BUNDLED, seed: int = 0, seconds: float = 8.0) -> int:
    """``python -m lib hear``: hears each painting, writes the music, says what was seen; returns the exit code.

    Whatever can be refused is refused before a model is loaded. One bad file among several is told and passed over (exit code 2 at
    the end); the others are heard.

    Args:
        output: a name ending in .wav, .flac or .mp3; for several paintings a folder.
    """
    paintings, output = [Path(path) for path in paintings], Path(output)
    side, several = of(profile).side, len(paintings) > 1
    _check_output(paintings, output)
    _check_seconds(seconds)
    if not 0 <= seed < 2**63:
        raise KlangfarbeError("a seed from 0 to 2⁶³ − 1", str(seed), "leave --seed out for 0")
    good, faults = [], []
    for path in paintings:
        try:
            good.append((path, images.load(path, size=side)))
        except KlangfarbeError as fault:
            faults.append(fault)
    if faults and not several:
        raise faults[0]
    models = load(profile) if good else None
    for path, picture in good:
        heard = hear(picture, models, seed=seed, seconds=seconds)
        target = audio.write(output / f"{path.stem}.wav" if several else output, heard.sound, heard.sample_rate_hz)
        print(f"{path.name} → {target}\n{told(heard)}")
    for fault in faults:
        print(f"klangfarbe: passed over: {fault}")
    return 2 if faults else 0


def told(heard: Heard) -> str:
    """What was seen and heard, four lines."""
    return "\n".join((f"  emotion      {heard.emotion} {heard.probability:.0%}, then {heard.second} {heard.second_probability:.0%}",
                      f"  caption      {' '.join(heard.caption.split())}", f"  description  {' '.join(heard.description.split())}",
                      f"  music        {len(heard.sound) / heard.sample_rate_hz:.1f} s, loudness {heard.loudness_db:.0f} dB, "
                      f"peak {heard.peak_db:.1f} dB"))


def _check_seconds(seconds: float) -> None:
    if not SHORTEST_S <= seconds <= LONGEST_S:  # NaN is not
        raise KlangfarbeError(f"a duration from {SHORTEST_S:g} to {LONGEST_S:g} s", f"{seconds:g} s", "leave --seconds out for 8 s")


def _check_output(paintings: list[Path], output: Path) -> None:
    if len(paintings) == 1:
        if output.suffix.lower() not in audio.WRITTEN or output.is_dir():
            raise KlangfarbeError(f"a sound's name ending in {', '.join(audio.WRITTEN)}", str(output), "for instance -o music.wav")
        return
    if output.suffix or output.is_file():
        raise KlangfarbeError("a folder for several paintings", str(output), "for instance -o music/")
    stems = [path.stem for path in paintings]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise KlangfarbeError("paintings of different names: each names its music", f"{twice!r} more than once", "rename one of them")
