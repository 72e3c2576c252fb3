"""No example of a property test has a time limit, here and in the plugins: machines are slow for a moment."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
