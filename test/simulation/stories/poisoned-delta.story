# A member repeatedly sends malformed records between valid records. Only the malformed records are rejected, and the other
# nodes keep replicating.

> cluster nodes=4
> run 20s
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
> fault liar: poisoned delta on a for 60s
> run 20s
> put b colour red acks=2
ok, acks=2
> get c colour
red
> run 60s
> recover
recovered
