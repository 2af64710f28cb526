# A node shuts down while a peer is cut off from it. Before the node ends, it sends its unsent writes to the peer that it can
# reach, and that peer passes them on.

> cluster nodes=3 DATA_SYNC_NUDGE_MS=0
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
> fault partition on a towards c for 60s
> put a colour red
ok
> fault restart on a for 30s
> run 6s
> get b colour
red
> run 2m
a ineligible: initializing
a ineligible: local teePubkey mismatch with registry
a syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: no reachable member holds the master secret
a syncing-secret: first snapshot missing
a ready
> get c colour
red
> get a colour
red
