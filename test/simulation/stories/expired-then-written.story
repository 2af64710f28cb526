# A value has expired on a node, and then the clock of that node is set back. The next write is still later than the expired
# value, on every node (protocol.md §9.19).

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
> put a session one ttl=10s acks=2
ok, acks=2
> run 15s
> get a session
not_found
> fault clock skew on a for 60s at -9000
> put a session two acks=2
ok, acks=2
> get b session
two
> get c session
two
> stores
a: keys 1, records 1, digest 4888d59a
b: keys 1, records 1, digest 4888d59a
c: keys 1, records 1, digest 4888d59a
