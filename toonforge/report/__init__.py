"""Pages that show runs: `report.html` of one, a comparison of several. Needs no torch to import."""
