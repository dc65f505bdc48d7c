"""The four systems, each in one order: Config, PROFILES, build, train_step, generate."""
