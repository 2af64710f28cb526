# The transaction pool demands five times the tip that the RPC suggests, and words its refusal differently each time. Each new
# attempt offers more, until the pool accepts the claim.

> cluster nodes=3
> fault claim underpriced for 10m at 5
> run 5m
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: failed to set master secret hash: the claim is underpriced
b bootstrapping: failed to set master secret hash: the claim is underpriced
c bootstrapping: failed to set master secret hash: the claim is underpriced
c bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
a bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed here
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed by another node
c ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
a syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: first snapshot missing
a ready
> status
a ready
b ready
c ready
> recover
recovered
