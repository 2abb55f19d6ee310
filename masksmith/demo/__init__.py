"""The demo: a page that runs an exported network in the browser, and the small server that gives it."""
