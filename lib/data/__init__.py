"""Collections as one manifest: the atelier (made here), real ones (adapters), splits."""
