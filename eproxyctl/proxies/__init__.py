"""Proxies: network and minibatch → score. The contract is `eproxyctl.contracts.Proxy`."""
