"""What may run at a data owner: manifests, approvals, policy, the review of code, the gate before execution."""
