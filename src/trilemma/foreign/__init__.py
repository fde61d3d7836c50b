"""Other projects' weights and settings files."""
