"""The HTTP API: it translates between HTTP and the verbs, and decides nothing."""
