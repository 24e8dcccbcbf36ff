//! Agents' commands: checked (own node, own pods), written like anyone's request.
