"""Decoded pictures that are kept, in memory or on disk, and the folder for what can be made again."""
