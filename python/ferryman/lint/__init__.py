"""What is allowed and yet bites: the rules of `ferryman lint`, one file a rule or a few that belong together.

Owns the rules. It judges any Envoy v3 configuration, also with what Ferryman does not build yet; whether a
configuration is valid is `ferryman check`'s business. `docs/lint.md` has a section for each rule.
"""
