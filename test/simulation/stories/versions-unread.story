# One backend of each node's RPC gives useless answers: empty, null or reverted. If no version can be read because of them, the
# node treats that as a failed read, not as an empty membership.

> cluster nodes=3 seed=s2
> run 40s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
a bootstrapping: master secret hash not deep enough: claimed here
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
> fault backend empty on a for 4m
> fault backend null on b for 4m
> fault backend reverting on c for 4m
> run 4m
> status
a ready
b ready
c ready
> recover
recovered
