"""`keyway mcp`: what an assistant may do, and a person besides it who is asked where the assistant must not decide."""
