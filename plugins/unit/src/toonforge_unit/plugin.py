"""What this plugin supplies, under the namespace `unit`. Imports no torch."""
