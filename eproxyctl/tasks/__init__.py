"""Tasks: the minibatch and the metric table. The contract is `eproxyctl.contracts.Task`."""
