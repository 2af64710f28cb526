# One node accepts a write for which no other node has room. Then this node is cut off for longer than tombstones are kept. The
# acknowledged sequences of its peers have moved past the write, so that later writes are not blocked. The write is still not
# lost: a node that never held it cannot have deleted it (protocol.md §4, Ages; §10, Rejections). While the node is stale, it
# does not list keys.

> cluster nodes=3 TOMBSTONE_RETENTION_MS=60000 DATA_SYNC_INTERVAL_SECONDS=5 a.MAX_STORE_BYTES=2000 b.MAX_STORE_BYTES=2000
> run 25s
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
> put c large bytes=4000
ok
> put c small blue acks=2
ok, acks=2
> run 5s
> stores
a: keys 1, records 1, digest d780f05e
b: keys 1, records 1, digest d780f05e
c: keys 2, records 2, digest a5b05069
> fault partition on c for 70s
> run 65s
> list c
unready
> run 2m
> status
a ready
b ready
c ready
> list c
large small
> get c small
blue
> stores
a: keys 1, records 1, digest d780f05e
b: keys 1, records 1, digest d780f05e
c: keys 2, records 2, digest a5b05069
