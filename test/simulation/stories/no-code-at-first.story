# A restarted node asks whether the contract Multicall3 exists, and the first backend answers that it does not. All backends
# refuse calls without an address, so the node cannot use those instead. It asks again and becomes ready.

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
> fault backend without code on b for 1m
> fault crash on b for 2s
> run 3m
b ineligible: initializing
b ineligible: local teePubkey mismatch with registry
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
b syncing-secret: first snapshot missing
b ready
> status
a ready
b ready
c ready
> recover
recovered
