"""Reference solutions: each stands on the public names of Kingpost alone."""
