"""Learning cross-modal embedding mappings (Deepika): a picture's vector becomes what conditions a
music model. Begin with :mod:`.generate`; the projection is trained in :mod:`.train_projection`.
"""
