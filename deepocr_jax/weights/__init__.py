"""Where the parameters of models come from: published packages, this project, the cache."""
