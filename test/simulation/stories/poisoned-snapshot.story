# A member sends a snapshot with records that every node must refuse. The node that asked leaves these records out
# and counts them, but accepts all other records of the snapshot. It does not treat the member as bad (protocol.md §10,
# Bounds).

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
> put a colour red acks=2
ok, acks=2
> fault liar: poisoned snapshot on a for 40s
> fault crash on c for 5s
> run 60s
c ineligible: initializing
c ineligible: local teePubkey mismatch with registry
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
c syncing-secret: first snapshot missing
c ready
> get c colour
red
> put a shape round acks=2
ok, acks=2
> run 20s
> stores
a: keys 2, records 2, digest f4e0bea7
b: keys 2, records 2, digest f4e0bea7
c: keys 2, records 2, digest f4e0bea7
