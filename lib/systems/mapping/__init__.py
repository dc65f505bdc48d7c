"""System 2, Learning cross-modal embedding mappings: a picture's vector becomes what conditions a music model."""
