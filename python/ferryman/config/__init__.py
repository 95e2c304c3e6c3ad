"""From text or wire bytes to the model that the data plane runs.

`source` reads text into a tree that knows lines, `parse` makes the Envoy message of it, `rules` checks
the rules in the schema, `cursor` is how the later stages read the message and report problems.
"""
