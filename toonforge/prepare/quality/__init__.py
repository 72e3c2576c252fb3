"""Figures of one picture, and what is wrong with it by them."""
