# The clock of one node is a minute ahead, so peers refuse its writes at first. These writes do not block later writes, and
# peers accept each write when its time is no longer in the future (protocol.md §10, Rejections). Until then, no node says that
# the key of such a write is absent ("404 means absent").

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
> fault clock jump on a for 20s at 60000
> put a future red
ok
> put b present green acks=1
ok, acks=1
> run 5s
> get b future
unready
> run 3m
> get b future
red
> get c future
red
> stores
a: keys 2, records 2, digest 299b2c9f
b: keys 2, records 2, digest 299b2c9f
c: keys 2, records 2, digest 299b2c9f
