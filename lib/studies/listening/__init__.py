"""The listening study: how people are asked, where their answers are kept, and what a given number
of listeners can tell.

```
clips (picture, sound, system, item)      the same pictures from every system
   │  study.lay_out                       one loudness; names are hashes of the content
   ▼
design.blocks · design.pairs ──► trials (no system's name in them)  and  key (code → system)
   │  session.Session ── page.page        consent, then trial by trial; python -m lib listen
   ▼
store: a file a listener, a line a rating, on the disk before the next trial comes
   │  study.answers joins the key
   ▼
analysis                                 exclusion, agreement, means, tests, power
   ▲
simulate: listeners with known parameters, and the power of a plan; never evidence
```

Source: Deepika §6.1.4, §6.2.3. Notebook: 26.
"""

import pkgutil

import lazy_loader

__getattr__ = lazy_loader.attach(__name__, [m.name for m in pkgutil.iter_modules(__path__)])[0]
