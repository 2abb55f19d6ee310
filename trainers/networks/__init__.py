"""The networks, one file each; ``trainers.models`` builds them by name."""
