"""The bundled checkpoints: how each was made, what each must reach, and whether it does. A recipe's
``make…()`` gives the files it trained, the hash of its data and what is saved besides; its
``measure…()`` rows on held-out items, and the items. Cards hold more rows, measured once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import artefacts, on_demand, paths, provenance
from lib.core.errors import KlangfarbeError, one_of
from lib.recipes import bundling
from lib.signal import affect
from lib.training import loop

__getattr__ = on_demand.submodules(__name__, __path__)
HELDOUT = "heldout.csv"
TOLERANCE = 0.02  # of a stored value without interval: as far may another machine's lie apart
NUMBERS = ("value", "low", "high", "null", "null_high", "majority", "n")  # the rest names a row


@dataclass(frozen=True)
class Wanted:
    """A figure that a checkpoint must reach, in its held-out table."""
    measure: str
    bound: float
    where: dict = field(default_factory=dict)  # columns that pick the row
    of: dict = field(default_factory=dict)     # of another row, of whose value the bound is a share
    at_most: bool = False                      # else at least

    def read(self, table: pd.DataFrame) -> dict:
        """The figure in a held-out table: ``what, value, low, high, wanted, at_most, met, n``."""
        def row_of(where: dict) -> dict:
            found = table[(table["measure"] == self.measure)
                          & (table[list(where)] == list(where.values())).all(axis=1)]
            if len(found) != 1:
                raise KlangfarbeError(f"one row {self.measure} {where} in the held-out table",
                                      str(len(found)), "measure the checkpoint again")
            return found.iloc[0].to_dict()
        row = row_of(self.where)
        bound = self.bound * row_of(self.of)["value"] if self.of else self.bound
        met = row["value"] <= bound if self.at_most else row["value"] >= bound
        return {"what": " ".join(map(str, (self.measure, *self.where.values()))), "low": math.nan,
                "high": math.nan, **{k: row[k] for k in ("value", "low", "high", "n") if k in row},
                "wanted": bound, "at_most": self.at_most, "met": bool(met)}


@dataclass(frozen=True)
class Recipe:
    """A bundled checkpoint."""
    folder: str                     # below data/miniatures
    files: tuple[str, ...]
    wanted: tuple[Wanted, ...] = ()
    module: str = ""                # here, with make_<name>; default: its own, with make

    def call(self, what: str, name: str):
        """Calls the recipe's ``make`` or ``measure``."""
        module = import_module(f"lib.recipes.{self.module or name}")
        return getattr(module, f"{what}_{name}" if self.module else what)()


_NETWORK = ("config.json", "model.safetensors")
_WORDS = (*_NETWORK, "tokenizer.json", "tokenizer_config.json")
_GENERATED, _REAL, _ROUND_TRIP = (
    {"music": kind} for kind in ("generated", "atelier", "round trip"))
_CLEAN, _GREEDY, _ALL = {"clips": "as they are"}, {"way": "likeliest words"}, {"codebooks": 4}
_STUDY, _MEAN, _FLOW, _VOCODER, _UNTRAINED, _PAINTED = ({"row": row} for row in (
    "Study II", "mean vector", "flow", "vocoder", "untrained", "painted"))
RECIPES = {
    "picture_judge": Recipe("judge", ("picture_judge.skops",), (), "systems"),
    "forest": Recipe("31_music2image_forest", ("forest.skops",), (), "systems"),
    "unet": Recipe("33_music2image_diffusion", ("unet_neutral.safetensors", "unet.safetensors"), (
        Wanted("ccc_valence", 0.9, _PAINTED), Wanted("ccc_arousal", 0.85, _PAINTED),
        Wanted("kid", 1.0, _PAINTED, {"row": "real, of 32²"}, at_most=True),
        Wanted("variety", 0.8, _PAINTED, {"row": "real"}),
        Wanted("nearest_of_fresh", 0.9, _PAINTED)), "systems"),
    "emotion_cnn": Recipe("11_bridging_classifier", ("classifier.json", "classifier.safetensors"), (
        Wanted("accuracy", 0.8), Wanted("calibration_error", 0.1, at_most=True),
        *(Wanted("recall", 0.5, {"word": word}) for word in affect.EMOTION_POINTS)), "systems"),
    "projection": Recipe("23_mapping_study_two", ("study_two.json", "study_two.safetensors"), (
        Wanted("cosine", 1.0, _STUDY, _MEAN), Wanted("centred cosine", 0.2, _STUDY),
        Wanted("mae", 1.0, _STUDY, _MEAN, at_most=True)), "systems"),
    "vocoder": Recipe("43_art2music_vocoder", ("generator.json", "generator.safetensors"), (
        Wanted("ln_mel_l1", 0.5, _VOCODER, at_most=True),
        Wanted("ln_mel_l1", 0.25, _VOCODER, _UNTRAINED, at_most=True)), "systems"),
    "flow": Recipe("42_art2music_decoder", ("flow.json", "flow.safetensors"), (
        Wanted("ccc_arousal", 0.4, _FLOW), Wanted("ccc_valence", 0.25, _FLOW),
        Wanted("two_seeds_apart_of_two_clips", 0.5, _FLOW)), "systems"),
    "tagger": Recipe("tagger", _NETWORK, (
        Wanted("genre_accuracy", 0.85, _CLEAN), Wanted("valence_r2", 0.7, _CLEAN),
        Wanted("arousal_r2", 0.7, _CLEAN)), "listeners"),
    "text_audio": Recipe("text_audio", (*_WORDS, "preprocessor_config.json"), (
        Wanted("r_at_1_of_100", 0.4), Wanted("emotion_alone_r_at_1_of_10", 0.2)), "listeners"),
    "image_text": Recipe("image_text", (
        "open_clip_config.json", "open_clip_model.safetensors", *_WORDS[2:]), (
        Wanted("both_r_at_1_of_100", 0.5), Wanted("caption_r_at_1_of_100", 0.5),
        Wanted("emotion_alone_r_at_1_of_10", 0.2)), "pictures"),
    "codec": Recipe("codec", _NETWORK, (
        Wanted("ln_mel_l1", 0.38, _ALL, at_most=True),
        *(Wanted("perplexity", 256, {"codebooks": k}) for k in (1, 2, 3, 4)),
        Wanted("tempo_agrees", 0.9), Wanted("key_agrees", 0.85))),
    "picture_codec": Recipe("picture_codec", _NETWORK, (
        *(Wanted(measure, 1.0, {"pictures": "atelier", "row": "codec"},
                 {"pictures": "atelier", "row": "thumbnail of 32²"}, at_most=True)
          for measure in ("pixels_l1", "features")),)),
    "captioner": Recipe("captioner", (*_WORDS, "preprocessor_config.json"), (
        Wanted("unled_manner_named", 0.9), Wanted("unled_subject_named", 0.9),
        Wanted("led_feeling_follows", 0.9)), "pictures"),
    "describer": Recipe("describer", _WORDS, (
        Wanted("all_suits", 0.85, _GREEDY), Wanted("two_lines", 0.99, _GREEDY))),
    "text_encoder": Recipe("text_encoder", _WORDS, (), "texts"),
    "sentences": Recipe("sentences", (*_WORDS, "1_Pooling/config.json"), (), "texts"),
    "musicgen": Recipe("musicgen", (*_NETWORK, "parts.json"), (
        Wanted("tempo_bpm_r", 0.25, _GENERATED), Wanted("mode_r", 0.5, _GENERATED),
        Wanted("loudness_db_r", 0.75, _GENERATED), Wanted("brightness_hz_r", 0.43, _GENERATED),
        Wanted("kad", 0.059, _ROUND_TRIP, at_most=True),
        Wanted("fad", 1.5, _GENERATED, _ROUND_TRIP, at_most=True),
        Wanted("silent_seconds", 1.0, _GENERATED, _REAL, at_most=True))),
    "real_world": Recipe("real_world", tuple(
        f"{kind}.{form}" for kind in ("pictures", "music", "comments", "atelier")
        for form in ("safetensors", "json"))),
}
MEASURED = [name for name, recipe in RECIPES.items() if name in pretrained.PARTS or recipe.wanted]


def make(name: str) -> None:
    """Makes a checkpoint again, measures it and writes the table its card is written from."""
    one_of(RECIPES, name, "a miniature")
    loop.set_threads()
    recipe = RECIPES[name]
    bundling.write(recipe.folder, *recipe.call("make", name))
    if name in MEASURED:
        rows, *data = recipe.call("measure", name)
        table = pd.DataFrame(rows)
        bundling.write(recipe.folder, {HELDOUT: table}, provenance.content_hash(*data))
        print(table.round(3).to_string(index=False), figures(name, table).round(3), sep="\n")
    if name in pretrained.PARTS:
        print("SHA-256", pretrained.load(name, device="cpu").sha256)


def figures(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """What a checkpoint must reach and reaches in its held-out table."""
    return pd.DataFrame([wanted.read(table) for wanted in RECIPES[name].wanted])


def check(names: Sequence[str] = ()) -> int:
    """Measures checkpoints (default: all) against their cards' tables: 0, or 2 if they differ."""
    wrong = []
    for name in names or MEASURED:
        one_of(MEASURED, name, "a miniature")
        recipe = RECIPES[name]
        table = pd.DataFrame(recipe.call("measure", name)[0])
        print(f"\n{name}")
        for row in figures(name, table).to_dict("records"):
            print(f"  {'met   ' if row['met'] else 'MISSED'} {row['what']}: {row['value']:.3f} "
                  f"[{row['low']:.3f}, {row['high']:.3f}], wanted "
                  f"{'≤' if row['at_most'] else '≥'} {row['wanted']:.3f} (n {row['n']:.0f})")
        other = differing(table, artefacts.read(paths.MINIATURES / recipe.folder / HELDOUT))
        print(f"  {len(table)} figures measured, {len(other)} differ from "
              f"data/miniatures/{recipe.folder}/{HELDOUT}", *other, sep="\n    ")
        wrong += other
    return 2 if wrong else 0


def differing(table: pd.DataFrame, stored: pd.DataFrame) -> list[str]:
    """Measured rows outside the stored row's interval, and ``TOLERANCE`` from its value."""
    keys = [column for column in table if column not in NUMBERS]
    stored = table[keys].merge(stored.reindex(columns=[*keys, "value", "low", "high"]), how="left")
    room = TOLERANCE * stored["value"].abs().clip(lower=1e-9)
    low = np.fmin(stored["low"], stored["value"] - room)
    high = np.fmax(stored["high"], stored["value"] + room)
    out = ~(table["value"].between(low, high) | (table["value"].isna() & stored["value"].isna()))
    rows = zip(table["measure"][out], table["value"][out], stored["value"][out], strict=True)
    return [f"{measure}: {value:.4g}, stored {was:.4g}" for measure, value, was in rows]
