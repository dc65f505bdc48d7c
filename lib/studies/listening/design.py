"""Who hears what, when: blocks in which every system, picture and position gets its fair share, and
nothing gives a system away.

A block is a listener's series of pages. The pictures are dealt like cards, so each is used equally
often and none comes twice; then the systems are dealt to the dealt pictures so that every listener
*and* every picture meets every system equally often (±1). That such a deal always exists is a
theorem about colouring the edges of a graph with two kinds of vertices (de Werra 1971);
:func:`equitable` finds it.

Source: de Werra (1971), INFOR 9, equitable edge colourings of bipartite graphs; Williams (1949) on
balanced orders.  Notebook: 26.
"""

import hashlib
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.studies.listening.questions import COMPARE, RATE

PAIR, SILENCE, WRONG, COMPARISON = "pair", "silence", "wrong pair", "comparison"
TRIALS = ("place", "trial", "kind", "code", "image", "audio", "other")
KEY = ("code", "what", "system", "item", "other_system")
# random orders tried for each block: the one that balances who follows whom best is kept
N_ORDERS = 60


class Stimulus(NamedTuple):
    """What is played to a picture: names of image and audio (:func:`fingerprint`), the system it
    came from, the item it was made for.
    """

    image: str
    audio: str
    system: str
    item: str


class Plan(NamedTuple):
    """``trials``: what the page may know, a row a page (:data:`TRIALS`); ``key``: what it may not,
    a row a code (:data:`KEY`).
    """

    trials: pd.DataFrame
    key: pd.DataFrame


def fingerprint(content: np.ndarray | bytes) -> str:
    """A name made of the content alone: 16 hexadecimal digits. Whoever reads it learns nothing of
    where it came from.
    """
    array = content if isinstance(content, bytes) else np.ascontiguousarray(content)
    form = b"" if isinstance(content, bytes) else f"{array.shape}{array.dtype}".encode()
    return hashlib.sha256(form + (array if isinstance(array, bytes)
                                  else array.tobytes())).hexdigest()[:16]


def equitable(left: np.ndarray, right: np.ndarray, n_colours: int,
              rng: np.random.Generator) -> np.ndarray:
    """Colours the edges (left[e], right[e]) so that around every vertex, and overall, all colours
    occur equally often, ±1.

    Wherever two colours are uneven, their edges are taken together, paired up around each vertex,
    and coloured anew by turns along the chains of pairs. Each such step lowers the sum of squared
    counts, so it ends.

    Args:
        left, right: integers [E] each, the two ends of every edge.

    Returns:
        integers [E] in [0, n_colours).
    """
    left, right = np.asarray(left), np.asarray(right)
    colours = rng.permutation(np.arange(len(left)) % n_colours)
    while True:
        counts = np.concatenate([_count(left, colours, n_colours),
                                 _count(right, colours, n_colours),
                                 np.bincount(colours, minlength=n_colours)[None]])
        worst = (counts.max(axis=1) - counts.min(axis=1)).argmax()
        most, least = counts[worst].argmax(), counts[worst].argmin()
        if counts[worst, most] - counts[worst, least] < 2:
            return colours
        both = np.flatnonzero((colours == most) | (colours == least))
        colours[both] = np.where(_by_turns(left[both], right[both], rng), most, least)


def _count(ends: np.ndarray, colours: np.ndarray, n_colours: int) -> np.ndarray:
    return np.bincount(ends * n_colours + colours,
                       minlength=(ends.max(initial=0) + 1) * n_colours).reshape(-1, n_colours)


def _by_turns(left: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of two colours for each edge, bool [E]: around every vertex half of each, and overall,
    give or take one.
    """
    partner = np.full((len(left), 2), -1)
    for side, ends in enumerate((left, right)):
        order = rng.permutation(len(ends))
        order = order[np.argsort(ends[order], kind="stable")]
        # 0, 1, 2 … around each vertex
        rank = np.arange(len(order)) - np.searchsorted(ends[order], ends[order])
        first = np.flatnonzero((rank[:-1] % 2 == 0) & (ends[order][:-1] == ends[order][1:]))
        partner[order[first], side], partner[order[first + 1],
                                             side] = order[first + 1], order[first]
    taken, surplus = np.full(len(left), -1), 0
    # open chains first, then rings
    for start in np.concatenate([np.flatnonzero((partner < 0).any(axis=1)), np.arange(len(left))]):
        if taken[start] >= 0:
            continue
        chain, side = [start], int(partner[start, 0] < 0)
        while (edge := partner[chain[-1], side]) >= 0 and edge != start:
            chain.append(edge)
            side = 1 - side
        first = int(rng.integers(2)) if surplus == 0 or len(chain) % 2 == 0 else int(surplus > 0)
        taken[chain] = (first + np.arange(len(chain))) % 2
        surplus += (1 - 2 * first) * (len(chain) % 2)
    return taken == 0


def deal(n_items: int, n_raters: int, per_rater: int, rng: np.random.Generator) -> np.ndarray:
    """Items for each listener, integers [n_raters, per_rater]: none twice for one listener, each
    equally often overall (±1).
    """
    if not 1 <= per_rater <= n_items:
        raise KlangfarbeError(f"1 to {n_items} pictures a listener (none is shown twice)",
                              str(per_rater), "add pictures, or ask for fewer")
    hands, deck = [], []
    for _ in range(n_raters):
        hand = deck[:per_rater]
        deck = deck[per_rater:]
        # the new deck's cards that are in this hand already wait for the next
        if len(hand) < per_rater:
            new = [int(i) for i in rng.permutation(n_items)]
            fresh = [i for i in new if i not in hand][: per_rater - len(hand)]
            hand, deck = hand + fresh, [i for i in new if i not in fresh]
        hands.append(hand)
    return np.array(hands).reshape(n_raters, per_rater)


def blocks(stimuli: Sequence[Stimulus], n_raters: int, per_rater: int = 20, seed: int = 0, *,
           crossed: bool = False, silence: str = "", wrong: Sequence[tuple[str, str]] = (),
           n_silent: int = 2, n_wrong: int = 1) -> Plan:
    """The pages on which one sound is rated.

    Args:
        stimuli: every system on every item, once.
        n_raters: places for listeners. per_rater: rated pages of each, attention checks not
            counted.
        seed: stays with the experimenter, like the key: it names the codes.
        crossed: each picture of a listener comes once from *every* system (then `per_rater` is a
            multiple of their number), and never twice in a row; otherwise no picture comes twice.
        silence: name of a silent audio, `wrong`: (image, audio) that plainly do not belong
            together: the attention checks. `n_silent` and `n_wrong` of them are put somewhere into
            each block, where they are given.

    Raises:
        KlangfarbeError: a system without some item, one twice, two equal clips, or more pages than
            pictures.
    """
    table, systems, items = _square(stimuli)
    if {(s.image, s.audio) for s in stimuli} & set(wrong):
        raise KlangfarbeError("wrong pairs that no system made", "one that is a stimulus too",
                              "choose others for the attention checks")
    rng = np.random.default_rng(seed)
    n_systems = len(systems)
    if crossed:
        if per_rater % n_systems:
            raise KlangfarbeError(
                f"a multiple of {n_systems} pages (each picture from every system)", str(per_rater),
                "change per_rater")
        hands = np.repeat(deal(len(items), n_raters, per_rater // n_systems, rng), n_systems,
                          axis=1)
        dealt = np.tile(np.arange(n_systems),
                        per_rater // n_systems * n_raters).reshape(n_raters, -1)
    else:
        hands = deal(len(items), n_raters, per_rater, rng)
        dealt = equitable(np.repeat(np.arange(n_raters), per_rater), hands.reshape(-1), n_systems,
                          rng).reshape(hands.shape)
    follows, quarters = np.zeros((n_systems, n_systems)), np.zeros((n_systems, 4))
    trials, key = [], {}
    for place in range(n_raters):
        order = _order(dealt[place], hands[place], follows, quarters, rng)
        pages = [(table[systems[dealt[place, i]], items[hands[place, i]]], PAIR) for i in order]
        used = {stimulus.image for stimulus, _ in pages}
        pages = _with_checks(pages, _checks(stimuli, used, silence, wrong, n_silent, n_wrong, rng),
                             rng)
        for trial, (stimulus, what) in enumerate(pages):
            code = _code(seed, stimulus.image, stimulus.audio)
            trials.append((place, trial, RATE, code, stimulus.image, stimulus.audio, ""))
            key[code] = (code, what, stimulus.system, stimulus.item, "")
    return Plan(pd.DataFrame(trials, columns=list(TRIALS)),
                pd.DataFrame(sorted(key.values()), columns=list(KEY)))


def pairs(stimuli: Sequence[Stimulus], n_raters: int, per_rater: int = 10, seed: int = 0, *,
          first_trial: int = 0) -> Plan:
    """The pages on which two systems' sounds for one picture are compared.

    Every two systems meet equally often (±1) within a listener, for a picture and overall; each is
    on the left in half of their meetings and in half of each listener's (±1).

    Args:
        first_trial: number of the first page: where the blocks end.

    Raises:
        KlangfarbeError: as :func:`blocks`; fewer than two systems.
    """
    table, systems, items = _square(stimuli)
    if len(systems) < 2:
        raise KlangfarbeError("two systems or more to compare", str(len(systems)), "add a system")
    rng = np.random.default_rng([seed, 1])
    meetings = list(combinations(range(len(systems)), 2))
    hands = deal(len(items), n_raters, per_rater, rng)
    place = np.repeat(np.arange(n_raters), per_rater)
    meeting = equitable(place, hands.reshape(-1), len(meetings), rng)
    turned = equitable(place, meeting, 2, rng).astype(bool)
    trials, key = [], {}
    for e, (item, which, turn) in enumerate(zip(hands.reshape(-1), meeting, turned, strict=True)):
        left, right = (table[systems[s], items[item]]
                       for s in (meetings[which][::-1] if turn else meetings[which]))
        code = _code(seed, left.image, left.audio, right.audio)
        trials.append((int(place[e]), first_trial + e % per_rater, COMPARE, code, left.image,
                       left.audio, right.audio))
        key[code] = (code, COMPARISON, left.system, left.item, right.system)
    return Plan(pd.DataFrame(trials, columns=list(TRIALS)),
                pd.DataFrame(sorted(key.values()), columns=list(KEY)))


def joined(*plans: Plan) -> Plan:
    """Several parts of one study (blocks, then pairs) as one plan."""
    trials = pd.concat([plan.trials for plan in plans]).sort_values(["place", "trial"],
                                                                    ignore_index=True)
    if trials.duplicated(["place", "trial"]).any():
        raise KlangfarbeError("pages numbered on from part to part", "two pages of one number",
                              "give pairs(first_trial=…)")
    return Plan(trials, pd.concat([plan.key for plan in plans],
                                  ignore_index=True).drop_duplicates(ignore_index=True))


def _square(stimuli: Sequence[Stimulus]) -> tuple[dict, list[str], list[str]]:
    """(system, item) → stimulus, with the systems and items in order of their names."""
    table = {(s.system, s.item): s for s in stimuli}
    systems, items = sorted({s.system for s in stimuli}), sorted({s.item for s in stimuli})
    lacking = [f"{system} for {item}" for system in systems for item in items
               if (system, item) not in table]
    if lacking or not table:
        raise KlangfarbeError(
            "every system's clip for every item", f"none by {lacking[0]}" if lacking else "no clip",
            "generate for the same pictures: else pictures and systems are confounded")
    if len(table) < len(stimuli) or len({(s.image, s.audio) for s in stimuli}) < len(stimuli):
        raise KlangfarbeError("clips that differ", "one twice",
                              "give each system and item once; two systems may not share a file")
    return table, systems, items


def _code(seed: int, *names: str) -> str:
    return hashlib.blake2b("|".join(names).encode(), key=str(seed).encode(),
                           digest_size=5).hexdigest()


def _order(systems: np.ndarray, items: np.ndarray, follows: np.ndarray, quarters: np.ndarray,
           rng: np.random.Generator) -> np.ndarray:
    """The best of :data:`N_ORDERS` random orders of a block; adds it to the two tallies (who
    follows whom, who stands in which quarter).
    """
    at = 4 * np.arange(len(systems)) // len(systems)
    best, least = None, np.inf
    for _ in range(N_ORDERS):
        order = rng.permutation(len(systems))
        row = systems[order]
        after, where = follows.copy(), quarters.copy()
        np.add.at(after, (row[:-1], row[1:]), 1)
        np.add.at(where, (row, at), 1)
        same_picture = (items[order][:-1] == items[order][1:]).sum()
        cost = (after**2).sum() + (where**2).sum() + 1e6 * same_picture
        if cost < least:
            best, least, kept = order, cost, (after, where)
    follows[:], quarters[:] = kept
    return best


def _checks(stimuli, used: set[str], silence: str, wrong, n_silent: int, n_wrong: int,
            rng) -> list[tuple[Stimulus, str]]:
    """Attention checks for one block, on pictures that the block does not use, where there are
    enough.
    """
    images = list(dict.fromkeys(s.image for s in stimuli))
    spare = [i for i in images if i not in used] or images
    found = [(Stimulus(spare[k % len(spare)], silence, SILENCE, ""), SILENCE)
             for k in rng.permutation(max(n_silent, len(spare)))[:n_silent]] if silence else []
    taken = used | {stimulus.image for stimulus, _ in found}
    fresh = [pair for pair in wrong if pair[0] not in taken] or list(wrong)
    chosen = rng.permutation(len(fresh))[:n_wrong] if fresh else []
    return found + [(Stimulus(*fresh[k], WRONG, ""), WRONG) for k in chosen]


def _with_checks(pages: list, checks: list, rng) -> list:
    """Puts checks between pages: never first, never two in a row where there is room."""
    gaps = sorted(1 + rng.choice(len(pages), size=len(checks), replace=len(checks) > len(pages)),
                  reverse=True)
    for gap, check in zip(gaps, checks, strict=True):
        pages.insert(gap, check)
    return pages
