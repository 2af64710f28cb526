# Between two partitions, a node reaches the others for a moment: long enough to send its writes, but not to receive the
# writes that it missed. The node must not treat its store as up to date: it does not bring deleted keys back (protocol.md §4,
# Ages).

> cluster nodes=3 TOMBSTONE_RETENTION_MS=60000 DATA_SYNC_INTERVAL_SECONDS=5
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
> fault partition on c for 45s
> delete a old acks=1
ok, acks=1
> run 45s
> put c alone blue acks=1
ok, acks=1
> fault partition on c for 50s
> run 49s
> get c old
red
> run 2m
> status
a ready
b ready
c ready
> get a old
not_found
> get c old
not_found
> get a alone
blue
> stores
a: keys 1, records 1, digest c5db7e41
b: keys 1, records 1, digest c5db7e41
c: keys 1, records 1, digest c5db7e41
