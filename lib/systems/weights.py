"""Weights of others in the chains that turn a painting into music (``hear --weights``): published
networks, or those of a folder, take the place of the bundled miniatures."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.pretrained import loading

# The networks of others in each chain: part of lib.pretrained → where the system's config names it.
PARTS = {"bridging": {"captioner": "prompts.captioner", "describer": "prompts.describer",
                      "musicgen": "music.start"},
         "mapping": {"image_text": "clip", "musicgen": "generator"},
         "art2music": {"image_text": "image_text", "captioner": "captioner"}}
# Of these, what a trained network of the system reads or drives: another one does not fit it.
FITTED = {"bridging": (), "mapping": ("image_text", "musicgen"), "art2music": ("image_text",)}


def with_sources(config: Any, system: str, sources: Mapping[str, Any] | None) -> Any:
    """A system's config with `sources` (part of lib.pretrained → folder or hub name) in it."""
    for part, source in (sources or {}).items():
        *outer, name = PARTS[system][part].split(".")
        for stage in outer:  # one at most
            config = replace(config, **{stage: replace(getattr(config, stage),
                                                       **{name: str(source)})})
        config = config if outer else replace(config, **{name: str(source)})
    return config


def find(system: str, get_config: Callable, profile: str, weights: str,
         yes: bool = False) -> dict[str, str | Path]:
    """Part → source by ``--weights``: *published*, hub names, fetched after one question; or a
    folder that holds a folder a part, called as the part or as its repository on the hub."""
    own, paper, names, kept = get_config(profile), get_config("paper"), {}, []
    for part, place in PARTS[system].items():
        trained_with, names[part] = (attrgetter(place)(config) for config in (own, paper))
        if part in FITTED[system] and trained_with != names[part]:
            kept.append(f"{part}: {trained_with}, not {names.pop(part)}")
    if not names:
        raise KlangfarbeError(f"a {system} trained with published networks",
                              f"profile {profile!r} ({'; '.join(kept)})", "make run PROFILE=paper, "
                              "then add --profile paper; or take --system bridging")
    for line in kept:
        print(f"stays, since profile {profile!r} was trained with it: {line}")
    if weights == "published":
        fetch(names, yes)
        return dict(names)
    found = {}
    for part, name in names.items():
        known = (part, *(hub.split("/")[-1] for hub in (name, *pretrained.PARTS[part].hub)))
        found[part] = next((Path(weights) / each for each in known
                            if (Path(weights) / each).is_dir()), None)
    if absent := [part for part, folder in found.items() if folder is None]:
        wanted = "; ".join(f"{part}/ or {names[part].split('/')[-1]}/ with "
                           f"{', '.join(pretrained.PARTS[part].files)}" for part in absent)
        raise KlangfarbeError(f"--weights bundled, published or a folder that holds {wanted}",
                              f"{weights!r} without {', '.join(absent)}",
                              "lay the hub's files there, or take --weights published")
    return found


def fetch(names: Mapping[str, str], yes: bool) -> None:
    """Fetches what of part → hub name is not cached: it says what, how much and under which
    licences, and asks once."""
    absent = {}
    for part, name in names.items():
        try:
            loading.find(part, pretrained.PARTS[part], name, fetch=False)
        except KlangfarbeError:
            absent[part] = name
    for part, name in absent.items():
        licence = pretrained.PARTS[part].hub.get(name, ("unknown", ""))[0]
        print(f"  {part:10} {name}, {loading.HUB_GB[name]:.2f} GB, licence {licence}")
    size = f"{sum(loading.HUB_GB[name] for name in absent.values()):.1f} GB"
    if absent and not yes:
        if not sys.stdin.isatty():
            raise KlangfarbeError(f"your consent to fetch {size}", "no terminal to ask at",
                                  "add --yes")
        if input(f"Fetch {size} from the hub once? [y/N] ").strip().lower() not in ("y", "yes"):
            raise KlangfarbeError(f"your consent to fetch {size}", "no", "nothing was fetched")
    for part, name in absent.items():
        loading.find(part, pretrained.PARTS[part], name)
