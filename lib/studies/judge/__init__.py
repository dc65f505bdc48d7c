"""A language model as a judge of painting, comment and music: asked in one form, checked first, and
judged itself by controls.

    painting, comment, sound ──the published prompt──► back end ──JSON──► validated rating 0–10 ──► one line on the disk
                                                      OpenAI-compatible · Gemini · local
                                                      transformers
    the same cases with shuffled sound, silence, another order, once more ──► is the judge to be believed?

rating.py: prompt and form · backends.py: whom to ask · panel.py: asking, again and again, without
losing an answer · controls.py: cases and what they say. No rating is ever made up: what was refused
or could not be read is counted and left out.

Source: text 003, §IV-C, Tables VIII and IX; the controls are ours.  Notebook: 46.
"""
