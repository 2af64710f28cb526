# A restarted node first asks a member that sends a wrong secret. The node compares the secret with the chain before it installs
# it, so it asks the next member in the same tick (protocol.md §9.1). The node has a new key since its restart. Another node
# accepts its requests only after reading this key from the chain, at its next tick.

> cluster nodes=3
> run 20s
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
> fault liar: wrong secret on a for 10m
> fault crash on c for 5s
> run 2m
c ineligible: initializing
c ineligible: local teePubkey mismatch with registry
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
c syncing-secret: first snapshot missing
c ready
> status
a ready
b ready
c ready
> derive c path
key of 32 bytes
