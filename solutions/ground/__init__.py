"""What several solutions stand on: files of rows, a server in a process, asking it, progress."""
