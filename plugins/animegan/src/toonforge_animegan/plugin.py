"""What this plugin supplies, under the namespace `animegan`. Imports no torch."""
