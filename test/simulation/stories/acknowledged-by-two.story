# A write that waits for two other nodes is answered when both hold it. If one of the two cannot be reached, the answer is
# 504. The write is kept nevertheless, and reaches that node as soon as possible.

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
> put a first red acks=2
ok, acks=2
> fault freeze on c for 30s
> put a second green acks=2
not_replicated
> get b second
green
> run 2m
> get c second
green
