"""Trained networks in the form that runtimes run: folded, written, checked against PyTorch, described."""
