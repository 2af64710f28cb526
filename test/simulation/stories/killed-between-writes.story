# A node crashes, so it cannot push its last writes. The other nodes already have both of its writes: the first write was
# pushed immediately, and the second when the nudge interval ended. So a crash can lose only writes that are younger than
# this interval (protocol.md §10, Nudge).

> cluster nodes=3 DATA_SYNC_INTERVAL_SECONDS=3600 DATA_SYNC_NUDGE_MS=2000
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
> put a colour red
ok
> run 100ms
> put a shape round
ok
> run 1s
> get b colour
red
> get b shape
not_found
> run 1500ms
> fault crash on a for 1h
> get b colour
red
> get c shape
round
