"""Fuzzing: whatever toonforge is given, it answers or says in words what is wrong; it never crashes, hangs or swells."""
