"""What a run leaves in its folder: written while it trains, read by whatever looks at it. Needs no torch to import."""
