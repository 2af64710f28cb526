# One member accepts connections and never answers. A node that restarts does not wait for this member, and writes reach the
# other members as fast as before (protocol.md §9.5).

> cluster nodes=4
> run 20s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
d bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
d bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
d bootstrapping: master secret hash not deep enough: claimed by another node
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
d syncing-secret: synced master secret hash mismatch: asking the members
d syncing-secret: first snapshot missing
d ready
> fault liar: silence on a for 10m
> fault crash on d for 5s
> run 2m
d ineligible: initializing
d ineligible: local teePubkey mismatch with registry
d syncing-secret: synced master secret hash mismatch: asking the members
d syncing-secret: no reachable member holds the master secret
d syncing-secret: first snapshot missing
d ready
> status
a ready
b ready
c ready
d ready
> put b colour red acks=2
ok, acks=2
> get d colour
red
