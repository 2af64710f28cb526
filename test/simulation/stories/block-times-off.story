# The RPC of one node returns blocks whose times are two minutes ahead of the node's clock. The read fails, and the reason
# mentions the clock. The ready node continues with its last view.

> cluster nodes=3
> run 40s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
> fault block times off on b for 3m at 120
> run 2m
> status
a ready
b ready
c ready
> run 3m
> recover
recovered
