# An older node joins. It does not support digests or pages, and gives each caller only thirty nonces a minute. The writes of
# the other nodes reach it, and its writes reach them.

> cluster nodes=3 apps=1
> run 40s
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
> put a colour red acks=1
ok, acks=1
> fault older node joins
> run 5m
> status
a ready
b ready
c ready
> recover
recovered
