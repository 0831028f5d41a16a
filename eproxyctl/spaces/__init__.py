"""Search spaces: keys, choices, notations and options, in plain Python. The contract is `eproxyctl.contracts.Space`."""
