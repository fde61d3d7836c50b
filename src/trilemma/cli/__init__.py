"""The verbs: parse, call one library function, print."""
