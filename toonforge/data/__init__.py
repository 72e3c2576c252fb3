"""Pictures: reading, geometry, folders, order. Nothing here imports torch before a picture is asked for."""
