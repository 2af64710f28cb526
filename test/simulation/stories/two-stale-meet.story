# Two nodes are cut off for longer than tombstones are kept, and reach each other before they reach the other nodes. Each
# still holds keys that the other nodes have deleted. The two nodes do not keep these keys just because both hold them: the
# keys stay deleted (protocol.md §4, Ages).

> cluster nodes=4 TOMBSTONE_RETENTION_MS=60000
> run 30s
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
> put a old red acks=3
ok, acks=3
> put a kept green acks=3
ok, acks=3
> fault partition on c towards d for 2m
> fault partition on c towards a for 150s
> fault partition on c towards b for 150s
> fault partition on d towards a for 150s
> fault partition on d towards b for 150s
> delete a old acks=1
ok, acks=1
> run 130s
> tick c
> tick d
> run 5s
> status
a ready
b ready
c ready
d ready
> get c old
red
> run 1m
> status
a ready
b ready
c ready
d ready
> get a old
not_found
> get c old
not_found
> get d old
not_found
> get d kept
green
> stores
a: keys 1, records 1, digest a3a61ccc
b: keys 1, records 1, digest a3a61ccc
c: keys 1, records 1, digest a3a61ccc
d: keys 1, records 1, digest a3a61ccc
