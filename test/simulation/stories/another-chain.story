# For two minutes, the RPC of one node belongs to another chain, which is a million blocks ahead. The node does not accept
# its answers as a view of the right chain.

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
> fault another chain on b for 2m
> run 5m
> status
a ready
b ready
c ready
> recover
recovered
