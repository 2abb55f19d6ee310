"""Commands that need several packages at once; imported by the command line when they are called."""
