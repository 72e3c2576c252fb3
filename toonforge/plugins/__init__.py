"""Plugins: the hooks they implement, and the loader that finds them."""
