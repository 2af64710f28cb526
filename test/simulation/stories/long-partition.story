# One node is cut off for longer than tombstones are kept. Meanwhile, the other nodes delete keys. The node that was cut off
# does not bring the deleted keys back, and the keys that it wrote meanwhile are not lost (protocol.md §4, Ages).

> cluster nodes=3 TOMBSTONE_RETENTION_MS=60000
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
> put a old red acks=2
ok, acks=2
> put a kept green acks=2
ok, acks=2
> fault partition on c for 3m
> delete a old acks=1
ok, acks=1
> run 10s
> put c alone blue
ok
> run 4m
> status
a ready
b ready
c ready
> get c old
not_found
> get a old
not_found
> get a alone
blue
> get c kept
green
> stores
a: keys 2, records 2, digest 849fc489
b: keys 2, records 2, digest 849fc489
c: keys 2, records 2, digest 849fc489
