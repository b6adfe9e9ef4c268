"""What an app can reach while it runs: one contract, and the ways this machine offers to keep it.

`spec` says what is to hold, `choice` takes the strongest way that works here, `bubblewrap`, `landlock` and
`macos` are those ways, `supervisor` is the small process that watches the limits and ends every process that
is left, and `capabilities` says what this machine can enforce and what it cannot. Everything that runs inside
a sandbox needs the standard library alone.
"""
