"""The listening study: how people are asked, where their answers are kept, and what a given number
of listeners can tell.  Source: Deepika §6.1.4, §6.2.3.  Notebook: 26.

    clips ─study.lay_out─► design.blocks, with_pairs ─► trials (no system's name) and key
    session.Session ── page.Page ─► store, a line an answer ─► study.answers ─► analysis"""
