"""Who hears what, when: every listener and every picture meets every system equally often (±1), and
nothing gives a system away. Such a deal always exists: it colours the edges of a bipartite graph.
Source: de Werra (1971), INFOR 9 (the colouring); Williams (1949) (orders).  Notebook: 26."""

import hashlib
from collections import namedtuple
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.studies.listening.questions import COMPARE, RATE

PAIR, SILENCE, WRONG, COMPARISON = "pair", "silence", "wrong pair", "comparison"
TRIALS = ["place", "trial", "kind", "code", "image", "audio", "other"]  # what the page may know
KEY = ["code", "what", "system", "item", "other_system"]  # what it may not, a row a code
N_SILENT, N_WRONG = 2, 1  # attention checks in each block
N_ORDERS = 60  # random orders tried for each block; the one that balances who follows whom is kept
# names of an image and the audio played to it, their system, the item they were made for
Stimulus = namedtuple("Stimulus", "image audio system item")
# tables: a row a page (:data:`TRIALS`), a row a code (:data:`KEY`)
Plan = namedtuple("Plan", "trials key")


def fingerprint(content: np.ndarray) -> str:
    """A name made of an array alone, 16 hexadecimal digits."""
    form = f"{content.shape}{content.dtype}".encode()
    return hashlib.sha256(form + np.ascontiguousarray(content).tobytes()).hexdigest()[:16]


def equitable(left: np.ndarray, right: np.ndarray, n_colours: int,
              rng: np.random.Generator) -> np.ndarray:
    """Colours, int [E], of the edges (left[e], right[e]): around every vertex, and overall, all
    occur equally often (±1). Two uneven ones are coloured anew; Σ counts² falls each time."""
    colours = rng.permutation(np.arange(len(left)) % n_colours)
    while True:
        counts = np.concatenate([
            np.bincount(ends * n_colours + colours,
                        minlength=(ends.max(initial=0) + 1) * n_colours).reshape(-1, n_colours)
            for ends in (left, right, np.zeros_like(left))])
        worst = (counts.max(axis=1) - counts.min(axis=1)).argmax()
        most, least = counts[worst].argmax(), counts[worst].argmin()
        if counts[worst, most] - counts[worst, least] < 2:
            return colours
        both = np.flatnonzero((colours == most) | (colours == least))
        colours[both] = np.where(_by_turns(left[both], right[both], rng), most, least)


def _by_turns(left: np.ndarray, right: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # edges are paired up around each vertex and coloured by turns along the chains of pairs
    partner = np.full((len(left), 2), -1)
    for side, ends in enumerate((left, right)):
        order = rng.permutation(len(ends))
        order = order[np.argsort(ends[order], kind="stable")]
        rank = np.arange(len(order)) - np.searchsorted(ends[order], ends[order])
        first = np.flatnonzero((rank[:-1] % 2 == 0) & (ends[order][:-1] == ends[order][1:]))
        partner[order[first], side] = order[first + 1]
        partner[order[first + 1], side] = order[first]
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
    """Items [n_raters, per_rater]: none twice for one listener, each equally often overall (±1)."""
    if not 1 <= per_rater <= n_items:
        raise KlangfarbeError(f"1 to {n_items} pictures a listener (none is shown twice)",
                              str(per_rater), "add pictures, or ask for fewer")
    hands, deck = [], []
    for _ in range(n_raters):
        hand, deck = deck[:per_rater], deck[per_rater:]
        if len(hand) < per_rater:  # the new deck's cards that are in this hand wait for the next
            new = [int(i) for i in rng.permutation(n_items)]
            fresh = [i for i in new if i not in hand][: per_rater - len(hand)]
            hand, deck = hand + fresh, [i for i in new if i not in fresh]
        hands.append(hand)
    return np.array(hands).reshape(n_raters, per_rater)


def blocks(stimuli: Sequence[Stimulus], n_raters: int, per_rater: int = 20, seed: int = 0, *,
           silence: str = "", wrong: Sequence[tuple[str, str]] = ()) -> Plan:
    """The pages on which one sound is rated, from every system's clip of every item; `seed` names
    the codes: keep it secret. Attention checks: an audio's name, (image, audio) that do not fit."""
    table, systems, items = _square(stimuli)
    if {(s.image, s.audio) for s in stimuli} & set(wrong):
        raise KlangfarbeError("wrong pairs that no system made", "one that is a stimulus too",
                              "choose others for the attention checks")
    rng, n_systems = np.random.default_rng(seed), len(systems)
    hands = deal(len(items), n_raters, per_rater, rng)
    dealt = equitable(np.repeat(np.arange(n_raters), per_rater), hands.reshape(-1), n_systems,
                      rng).reshape(hands.shape)
    follows, quarters = np.zeros((n_systems, n_systems)), np.zeros((n_systems, 4))
    trials, key = [], []
    for place in range(n_raters):
        order = _order(dealt[place], follows, quarters, rng)
        pages = [(table[systems[dealt[place, i]], items[hands[place, i]]], PAIR) for i in order]
        checks = _checks(stimuli, {page.image for page, _ in pages}, silence, wrong, rng)
        # never first, never two in a row where there is room
        gaps = 1 + rng.choice(len(pages), size=len(checks), replace=len(checks) > len(pages))
        for gap, check in zip(sorted(gaps, reverse=True), checks, strict=True):
            pages.insert(gap, check)
        for trial, (page, what) in enumerate(pages):
            code = _code(seed, page.image, page.audio)
            trials.append((place, trial, RATE, code, page.image, page.audio, ""))
            key.append((code, what, page.system, page.item, ""))
    return Plan(pd.DataFrame(trials, columns=TRIALS), pd.DataFrame(sorted(set(key)), columns=KEY))


def with_pairs(plan: Plan, stimuli: Sequence[Stimulus], per_rater: int = 10, seed: int = 0) -> Plan:
    """A plan with pages after its own on which two systems' sounds for one picture are compared:
    all meet equally often (±1) for a listener, for a picture and overall, half on either side."""
    table, systems, items = _square(stimuli)
    n_raters, first = plan.trials[["place", "trial"]].to_numpy().max(axis=0) + 1
    rng, meetings = np.random.default_rng([seed, 1]), list(combinations(systems, 2))
    hands = deal(len(items), n_raters, per_rater, rng).reshape(-1)
    place = np.repeat(np.arange(n_raters), per_rater)
    meeting = equitable(place, hands, len(meetings), rng)
    turned = equitable(place, meeting, 2, rng).astype(bool)
    trials, key = [], []
    for e, (item, which, turn) in enumerate(zip(hands, meeting, turned, strict=True)):
        left, right = (table[s, items[item]] for s in meetings[which][::-1 if turn else 1])
        code = _code(seed, left.image, left.audio, right.audio)
        trials.append((place[e], first + e % per_rater, COMPARE, code, left.image, left.audio,
                       right.audio))
        key.append((code, COMPARISON, left.system, left.item, right.system))
    both = pd.concat([plan.trials, pd.DataFrame(trials, columns=TRIALS)])
    return Plan(both.sort_values(["place", "trial"], ignore_index=True),
                pd.concat([plan.key, pd.DataFrame(sorted(set(key)), columns=KEY)],
                          ignore_index=True))


def _square(stimuli: Sequence[Stimulus]) -> tuple[dict, list[str], list[str]]:
    table = {(s.system, s.item): s for s in stimuli}
    systems, items = sorted({s.system for s in stimuli}), sorted({s.item for s in stimuli})
    lacking = [f"none by {system} for {item}" for system in systems for item in items
               if (system, item) not in table]
    if lacking or not table:
        raise KlangfarbeError("every system's clip for every item", (*lacking, "no clip")[0],
                              "generate for the same pictures, or they are confounded with systems")
    if len(table) < len(stimuli) or len({(s.image, s.audio) for s in stimuli}) < len(stimuli):
        raise KlangfarbeError("clips that differ", "one twice",
                              "give each system and item once; two systems may not share a file")
    return table, systems, items


def _code(seed: int, *names: str) -> str:
    return hashlib.blake2b("|".join(names).encode(), key=str(seed).encode(),
                           digest_size=5).hexdigest()


def _order(systems: np.ndarray, follows: np.ndarray, quarters: np.ndarray,
           rng: np.random.Generator) -> np.ndarray:
    # the best of some random orders of a block, added to both tallies (neighbours, quarters)
    at, found = 4 * np.arange(len(systems)) // len(systems), []
    for _ in range(N_ORDERS):
        order = rng.permutation(len(systems))
        row, after, where = systems[order], follows.copy(), quarters.copy()
        np.add.at(after, (row[:-1], row[1:]), 1)
        np.add.at(where, (row, at), 1)
        found.append(((after**2).sum() + (where**2).sum(), order, after, where))
    _, best, follows[:], quarters[:] = min(found, key=lambda one: one[0])
    return best


def _checks(stimuli: Sequence[Stimulus], used: set[str], silence: str,
            wrong: Sequence[tuple], rng: np.random.Generator) -> list[tuple[Stimulus, str]]:
    # on pictures that the block does not use, where there are enough
    images = list(dict.fromkeys(s.image for s in stimuli))
    spare = [i for i in images if i not in used] or images
    silent = rng.permutation(max(N_SILENT, len(spare)))[:N_SILENT] if silence else []
    checks = [(Stimulus(spare[k % len(spare)], silence, SILENCE, ""), SILENCE) for k in silent]
    taken = used | {stimulus.image for stimulus, _ in checks}
    fresh = [pair for pair in wrong if pair[0] not in taken] or list(wrong)
    chosen = rng.permutation(len(fresh))[:N_WRONG] if fresh else []
    return checks + [(Stimulus(fresh[k][0], fresh[k][1], WRONG, ""), WRONG) for k in chosen]
