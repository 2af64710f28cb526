# Two nodes write the same key while they cannot reach each other. The write with the later time wins on every node. When a
# node that has seen both writes then writes the key, its write is later than both.

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
> fault partition on a for 30s
> put a colour red
ok
> put b colour green
ok
> get a colour
red
> get b colour
green
> run 90s
> get a colour
green
> get c colour
green
> put c colour blue acks=2
ok, acks=2
> get a colour
blue
> get b colour
blue
