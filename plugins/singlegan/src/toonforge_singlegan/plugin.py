"""What this plugin supplies, under the namespace `singlegan`. Imports no torch."""
