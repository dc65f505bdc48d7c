"""The listening study: how people are asked, where their answers are kept, and what a given number
of them can tell.

```
clips (picture, sound, system, item)          any system's: the same pictures from every system
   │  study.lay_out                            levels the sounds, names them by a hash of their content
   ▼
design.blocks · design.pairs ──► trials (what a listener meets: no system's name)  and  key (code → system), kept apart
   │  session.Session ── page.page             consent, then trial by trial; python -m lib listen serves it
   ▼
store: one file a listener, one line a rating, written to the disk before the next trial comes
   │  study.answers joins the key
   ▼
analysis · power                               who is left out, agreement, means, tests, what n people can tell
   ▲
simulate: listeners whose truth is known, for tests and teaching; marked so, and refused by
analysis.ratings_for_ledger ```

Anything can be asked about: give :func:`lib.studies.listening.study.lay_out` a list of
:class:`lib.studies.listening.study.Clip`, with every system on the same items. Source: text 001,
§6.1.4 and §6.2.3.  Notebook: 26.
"""
