"""What is under every verb: files through a task on all cores, the folder that they go to, and the manifest."""
