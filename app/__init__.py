"""The shell: everything that starts, listens or is configured."""
